"""The words of docs/regret.md around its tables."""

TEXT = """\
# How much does it cost to follow a rule?

A range test ends in a curve, and a rule reads a learning rate off it. How much worse does a model
train with that learning rate than with the best one? This page answers for every rule of lrwidget
and for the rules of other learning-rate finders. It is made by

    python -m benchmarks.regret measure
    python -m benchmarks.regret report > docs/regret.md

The first command can be interrupted, and goes on where it was. 129 tasks without the fixed sample
took about 50 minutes of one processor core; 30 added later took 24 minutes in all, two
processes at a time while other programs ran; the 60 made afterwards and all searches, 27 minutes
of two processes. It needs scikit-learn. The second reads what the first has measured.

## In short

On {afterwards_tasks} tasks made after all tuning was over, with intervals over tasks in
parentheses:

{short_afterwards}

On {reported_tasks} older tasks that it was not tuned on either:

{short_reported}

## What is measured

A **task** is a model on a data set with an optimizer and a batch size. The data are digits,
breast cancer, wine and diabetes from scikit-learn, some of them also without the usual scaling,
and made-up ones; the models a linear one, an MLP, an MLP with batch normalisation, a CNN, a small
Transformer and a small RNN; the optimizers SGD, SGD with momentum, Adam, AdamW and RMSprop; the
batch sizes 16 and 128. Each task is run with {seeds} seeds: other initial weights, other order of
the data. A run is two range tests of {test_steps} training steps and a training of {steps} steps at
each of 25 learning rates from 1e-7 to 10, from the same weights, once with the learning rate held
constant and once as the peak of a one-cycle schedule.

The rules of the other finders read a range test from 1e-7 to 10. The rules of lrwidget read one
with `min_lr=None, max_lr=None`, which spends 30 of its {test_steps} steps on a probe that finds the
range. "Auto" on the same curve as the others is listed as "whole range". "Auto" with "fixed sample"
also reads the loss of up to 8 batches of the training data, always the same ones, after every third
step: that is `range_test(model, data, validation_data=data, ...)`. It takes no more training steps
and no other data, but up to 192 forward passes more. lrwidget knows the optimizer; "auto" heeds it.

**Regret** is the share of the achievable drop of the loss that is lost, on data held back from
training:

    regret = (loss with the pick - best loss) / (loss before training - best loss)

The best loss is the lowest over the 25 learning rates. 0 is the best possible; 1, the most that
is counted, means that training did nothing, did harm, or broke down. A rule that gives no
learning rate has a regret of 1. Between the 25 learning rates the regret is interpolated. Runs in
which the best learning rate takes less than a twentieth off the loss are left out: {useless} of
them. {runs} runs are left.

Before anything was measured the pairs of data and model were split in two. The numbers in the
rule "auto" were tuned on {tuned_tasks} tasks; {reported_tasks} others were only looked at
to make this page. A pair is on one side with all its optimizers, so the reported tasks are new
data or new models, not the tuned ones with another optimizer.

**That reported side is not untouched, though.** It was reported several times while "auto" was
being made. After one such report had shown it far behind the tuned side, and worst on RNNs and
Transformers, six pairs with 30 tasks, most of them with such models, were added to tune on; one
factor and the warnings were then tuned again. Some of them resemble reported ones: `last_token` is
`first_token` read from the other end. No pair changed sides.

**Therefore {afterwards_tasks} tasks were made afterwards**: twelve pairs, chosen before any of them
was run. No number in "auto" or in its warnings was changed after that.

Numbers in parentheses are 95 % intervals over tasks: what comes out when the tasks are drawn
again, with replacement.

## What every rule loses

On the tasks made afterwards. "Over 0.1" is the share of runs with a regret over 0.1. Rules of
lrwidget are in bold. Lower is better.

{afterwards_rules}

The other finders' rules are written again from their formulas, with their own averages, stop
rules and cuts, and with their mistakes. ktrain's reads a running mean that Keras reports; here it
gets the true loss, which is kinder. Lightning's own range is 1e-8 to 1; here it gets the same as
all.

## "auto" against the rule most people use

fastai's rule is a tenth of the learning rate at the lowest average. Below 1, "auto" loses less.
The aim was to lose at most half.

On the tasks that it was tuned on, "auto" must look better than it is.

{ratios}

And where lrwidget gives no warning. Both rules are compared on those runs only:

{trusted_ratios}

## How well can a learning rate be known?

More steps tell more. A **search** trains at each of the 25 learning rates, from the same weights
and held constant, and takes the rate with the lowest loss: that of the fixed sample, or that of the
very data that regret is measured on. "The best rate of another seed" is the one with a regret of 0
when the same task started from other weights and saw other batches. All numbers are ratios to
what fastai's minimum / 10 loses, as above, on the tasks that are only reported on, new and old:

{search}

On the tuned tasks:

{tuned_search}

For a constant learning rate, "auto" with a fixed sample does in {test_steps} training steps at
least as well as a search of 1250 that looks at the same sample. For the peak of a one-cycle the
search is ahead, from 500 steps on the tasks that are only reported on, from 1250 on the tuned
ones. Half of what fastai's rule loses, in the mean and in the share of runs, for both targets, is
reached only by the search that spends 2500 steps and looks at the very data that regret is
measured on. The aim asks for as much after {test_steps}. What even the best rate of another seed
loses is chance: other weights and other batches have another best rate.

## What the warnings are worth

`reliable` is False where something speaks against a suggestion. A bad pick has a regret over 0.3,
a good one at most 0.1. The aim was to warn of at least 80 % of the bad and at most 10 % of the
good. Neither is reached. No pick at all, about one run in a hundred, counts as a bad one that was
warned of.

{warnings}

Would more steps help here too? The searches of above can also look at what "auto" with a fixed
sample picks, and warn where they see another rate do much better. Of the bad picks on the tasks
that are only reported on, they warn of so many if they may warn of a tenth of the good ones:

{search_warnings}

Only a search of 2500 steps comes near that aim.

Two things keep the warnings from being better. Where noise hides the fall, "auto" always warns
without a fixed sample, although its guess is good more often than not; with one, it warns where
training and fixed sample disagree. That is so in 27 % of the older runs, and in 41 % of those made
afterwards, where more of the good ones are warned of. And the curve shows the loss on the
training data: where a model soon learns those by heart, a learning rate that looks good trains too
far, and nothing on the curve tells.

## Where "auto" is better, and where not

Mean regret on the tasks that are only reported on: "auto", "auto" with a fixed sample, and fastai's
minimum / 10.

{groups}

## What every rule loses on the older tasks

On those that are only reported on:

{reported_rules}

On those that "auto" was tuned on:

{tuned_rules}

## What was tried

All on the tuned tasks. Other divisors of the minimum; a share of the way from the minimum to the
steepest fall; the place where 50 to 98 % of the fall is done; a fixed distance before the edge;
the lower of two of these; three of them weighted; other widths of `slide`; more or less
smoothing. The rule that stayed, a share of the way from `slide` to the edge, was among the best
both on all pairs and on each pair when its tasks were left out while choosing; with the six pairs
that joined it was tried again on all pairs only. Third terms fitted the tuned tasks a
little better and mostly did worse on the pair left out. For a one-cycle, twice
the constant learning rate was as good as a share of its own. Where noise hides the
fall, "auto" used to refuse, which is a regret of 1; a guess from where the loss rises is better.

For the range, a probe of 20, 30 and 40 steps that also looks for where the loss begins to fall:
noise hides that too often, and the rules did worse than on the whole range. Where the loss rises
is enough. A test of 130 steps in all, probe included, loses about a tenth less than one of 100.

What helped most is to know the optimizer. SGD alone trains best close to where it falls apart;
with momentum, well below. On the first twelve pairs one factor for each of them took an eighth off
the mean regret, and a quarter off the share of runs over 0.1. Next comes the loss of one fixed
sample, which has no noise from batch to batch. Samples held back from training and samples of the
training data do about as well. Reading it alone does a little worse than the mean with the training
loss. A forest of trees with fourteen places on each curve as its features did at best about as
well on pairs left out as the formula does on those it was tuned on. For the warnings, a logistic
regression on fifteen features of both curves caught 40 to 60 % of the bad
runs at 10 to 20 % of the good ones, on pairs left out.

Short trainings at two to five rates around what the curve says, up to a decade to each side, with
the lowest loss of the fixed sample to decide: 10 to 30 steps each make it worse; 50 each, which is
100 to 250 steps more, change hardly anything (at best 0.54 times fastai's mean, as without); 100
each bring 0.49 at best. So "auto" takes no such steps.

On the first twelve pairs, and with a smaller factor for RMSprop, "auto" with a fixed sample had
0.38 and 0.44 times the mean regret and 0.48 and 0.47 times the runs over 0.1: the aims looked
reached. On the six that joined it is hardly better than fastai's rule. On `sign_changes` with
an RNN both lose about half.

## What these numbers do not say

The models are small and train for {steps} steps. A large model that trains for days is another
matter; so is a range test of 1000 steps. When this was last looked at, without a fixed sample,
half of the regret of "auto" came from the curves, a quarter of all, on which noise hides the
fall, mostly with batches of 16. There it guesses from where the loss rises, and warns. A fixed
sample, a longer range test or a larger batch shows more.
"""
