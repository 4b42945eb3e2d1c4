"""The words of docs/regret.md around its tables."""

TEXT = """\
# How much does it cost to follow a rule?

A range test ends in a curve, and a rule reads a learning rate off it. How much worse does a model
train with that learning rate than with the best one? And does the rule say the same after a test
of 50 steps as after one of 1600? This page answers for "auto". It is made by

    python -m benchmarks.regret measure
    python -m benchmarks.regret report > docs/regret.md

The first command can be interrupted and goes on where it was; `--sides`, `--optimizers` and
`--runs` share the work among processes, and `report --runs` reads several files. Compiling takes
most of the time. It needs scikit-learn and Pillow. The second command reads what the first
measured.

**Only a part of the tasks was measured for this page**, with up to 3 seeds: those that a busy
machine got through in an hour. The [older page](regret_before.md) has all older tasks with 5
seeds, but at 100 steps only, and with the "auto" of version 0.1.0 before it was made independent
of the steps. It also has the rules of the other finders and the searches, which were not measured
again.

## What is measured

A **task** is a model on a data set with an optimizer and a batch size. A **run** is a task with a
seed: range tests of many lengths and a training of 250 steps at each of 25 learning rates from
1e-7 to 10, once held constant and once as the peak of a one-cycle, all from the same weights.
Range tests and trainings run in one compiled loop of this study, in place of `range_test`: it
takes the same steps with Keras' models and losses, and optimizers written again from Keras'
formulas (their losses agree with Keras' within 1e-5 over 30 steps). The stop rule and the probe
are lrwidget's.

**Regret** is the share of the achievable drop of the loss that is lost, on data held back from
training:

    regret = (loss with the pick - best loss) / (loss before training - best loss)

It is at most 1. Runs in which the best rate takes less than a twentieth off the loss are left out:
{useless} of them.

{measured}

"Tuned on" are the tasks that the numbers in "auto" were chosen on. Twelve pairs joined them now, of
kinds that were missing: unscaled inputs, large first losses, long flat starts, hard borders,
photos, deep plain networks, bottlenecks, text, two heads, noisy targets. **None of these twelve
was reached before tuning ended**, so "auto" is not yet tuned on such kinds. "Reported" and
"reported (later)" were only reported, now and before. "Untouched" are twelve new pairs that were
defined before the tuning and run after it; four of them were reached.

## What "auto" loses, by the steps of the test

All steps of the test are counted: with "auto" the probe takes 30 of them, as it does by default in
`range_test` and in the widget. "Whole range" and
fastai's minimum / 10 read a test from 1e-7 to 10 with as many steps. The ratio is that of "auto"
to minimum / 10. The aim was at most 0.65 at 100 steps and 0.35 at 1000.

{regret}

On the older reported tasks, with 82 runs, the aim at 100 steps is reached, and at 1000 steps for
the one-cycle only. On the few tasks of "reported (later)" and "untouched" it is not: there "auto"
loses more than minimum / 10 at some lengths; on pictures of rings with SGD it loses more than
half at every length. With 12 and 9 runs of 4 and 5 tasks that says little, but it is no
confirmation. Tests of 50 steps with a probe leave 20 learning rates to "auto", which is too few: on
the whole range it loses less on all tasks. Therefore `range_test` makes no probe in a test of fewer
than 60 steps. At 100 steps the probe is better on the older reported tasks and worse on the others,
by little where there are many runs.

## How far "auto" moves with the steps

The largest over the smallest suggestion of tests of 50, 100, 200, 400, 800 and 1600 steps, which
do not count the probe: the median over runs, and what nine tenths of them stay below. The aim was
2 and 3. Before, on the tuned tasks that were measured when the rule was chosen, "auto" moved by a
median of 17 on the whole range and of 7 with a probe, and lost 0.133 at 1000 steps on the whole
range.

{moves}

**The aim is not reached.** On the 30 tuned and the 28 older reported tasks the median is about 3 to
3.5 from 50 steps on and 2.4 from 100 steps on. Nine tenths stay below 7 to 21, not below 3. The
worst cases are noisy ones: in short tests noise hides the fall, and "auto" guesses from the rise;
or the probe's range cuts off the beginning of the fall. With SGD the fall often lies at its edge
and then moves less than the summed learning rates say.

## How the other rules move

Over all measured tasks, on the whole range. The other rules read the curve as it is. Regret is
that of a constant learning rate.

{rules}

## What `reliable` is worth, by the steps of the test

Mean regret of "auto" with a probe, at a constant rate.

{warnings}

## What each `confidence` means

A suggestion is good if its regret is below 0.1. The table counts how often that of "auto" was,
after 100 steps with a probe, on tasks that nothing was tuned on: "reported", "reported (later)" and
"untouched". It was measured apart from the other tables, in a quarter of an hour: 28 of 38 pairs of
data and model in a random order, two optimizers of each, 3 seeds, 167 runs of 56 tasks. Without a
suggestion, all of the drop is lost.

{confidence}

"High" is right in four of five runs, and "medium" in as many, but of few runs; "low" in three of
five. So "low" means to try the rate and its neighbors, not that it is wrong. Of the 16 with high or
medium confidence that were not good, 12 were too low, by a factor of 2 to 30, and 4 too high, by 2
to 8. The study does not say how a test ended, so "already_trained" is among "low" here, and what is
said about models that are trained already was not measured.

## The length of the training

The rate that is best for 250 steps is used for 1000, multiplied by 4^-e. `train_steps=N` takes
e = 0.5 for more than 250 steps, with every optimizer and both targets: too few tasks were trained
for 1000 steps to tell exponents of single optimizers apart, and none for 3000 steps. On the tasks
that are only reported it takes away about half of what is lost. On the tuned tasks SGD at a
constant rate does best without it, by little.
The exponent was chosen after both sides had been looked at, so the reported side is no
independent check of it.

{horizon}

## What was tried

For the rule, all on the tuned tasks: a weight of the edge of 0.15 to 1; how much of the shift by
summed learning rates counts, 0 to 1 (for SGD and RMSprop less would move less, but lose as much);
the place of half of the fall or of the steepest fall in place of `slide`; a limit of 2 to 3 decades
below the edge. One weight and one limit for all optimizers did as well as one for each.

## What these numbers do not say

The models are small and train for 250 to 1000 steps. Few tasks were measured; a difference of a
few hundredths between two rows says nothing. Log-averages with a smoothed minimum were not tried.
"""

SEARCHES = """\
# What do short trainings add to a curve?

`find_lr` spends training steps only where the curve of a range test does not decide. Is its answer
better than the curve alone, and than the searches that people would run with as many steps? The
tasks, the seeds and the definition of regret are those of [the study](regret.md); here only with
Adam. The page is made by

    python -m benchmarks.regret measure --optimizers adam
    python -m benchmarks.regret searches > docs/searches.md

Every trial is a training on other batches than the one that regret is measured with; its score is
the training loss of its last tenth. Trials run at the rates of the study's grid, three a decade,
nearest to those that a search asks for. Steps count everything, the range test included.

{regret}

The intervals hold 95 % of the means when the pairs of data and model are drawn again. How the
trials are spread and that the answer is the geometric mean of both were chosen on the tasks of
"tuned on", one seed each. Optimizers that need no learning rate, such as Prodigy, were not
measured here; the [older page](regret_before.md) has them.

## What the confidence of find_lr means

{confidence}

## What `stop_early` saves in `compare`

Five rates around the suggestion, 250 steps each, constant and one-cycle:

{early}
"""
