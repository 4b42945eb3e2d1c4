"""Observers and rules of the user's that call the widget back, from the worker or elsewhere."""

import threading

import keras
import pytest

from lrwidget import LRFinderWidget
from lrwidget.core.curve.rules import register_rule, unregister_rule
from lrwidget.errors import BusyError, LRWidgetError
from lrwidget.ui.words.text import failed
from tests.ui.conftest import (
    failing_batches,
    new_data,
    new_model,
    part,
    slow_batches,
    wait_for,
    worker_threads,
)
from tests.ui.test_run import assert_unchanged, values

ENDS = ("finished", "diverged", "stopped", "failed")


def in_another_thread(act):
    """Return a function that lets another thread act, and waits for it."""

    def acted(*args):
        thread = threading.Thread(target=act, args=args, daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive(), "it hangs"

    return acted


def directly(act):
    return act


@pytest.fixture(params=[directly, in_another_thread])
def how(request):
    """Whether the user's code calls the widget itself or waits for a thread that does."""
    return request.param


@pytest.fixture(scope="module")
def model():
    """One model for all tests: each leaves it as it was, and its step is traced only once."""
    return new_model()


@pytest.fixture
def rule():
    """Return a function that registers a rule for the time of the test."""
    names = []

    def register(ask):
        names.append(f"rule {len(names)}")
        register_rule(names[-1], ask)

    yield register
    for name in names:
        unregister_rule(name)


def at_the_end_of(widget, act, times=1):
    """Let an observer act at the first ends of a test."""
    done = []

    def observed(change):
        if change.new in ENDS and len(done) < times:
            done.append(change.new)
            act()

    widget.observe(observed, "status")
    return done


@pytest.mark.parametrize("blocks", [False, True])
def test_observer_of_the_end_runs_the_next_test_and_waits_for_it(make, how, blocks):
    widget = make(steps=20)
    ran = []

    def again():
        first = widget.result
        widget.run(block=True)
        ran.append(widget.result is not first and widget.result is not None)

    at_the_end_of(widget, how(again), times=2)
    widget.run(block=blocks)
    wait_for(lambda: len(ran) == 2)
    assert widget.wait(20)
    assert ran == [True, True]
    assert widget.error is None
    in_another_thread(lambda: widget.pick(1e-3))()
    wait_for(lambda: not worker_threads())


def test_run_with_block_ends_after_the_test_that_an_observer_started(make):
    widget = make(steps=20)
    done = at_the_end_of(widget, widget.run, times=2)
    widget.run(block=True)
    assert len(done) == 2
    assert widget.status in ENDS
    assert not worker_threads()


def test_observer_of_a_failed_test_can_run_again(make):
    widget = make(failing_batches, steps=100, max_lr=1e-3)
    data = new_data()

    def repair():
        widget._data = data
        widget.run(block=True)

    at_the_end_of(widget, repair)
    widget.run()
    wait_for(lambda: widget.status in ("finished", "diverged"))
    assert widget.error is None


@pytest.mark.parametrize("call", ["wait", "stop", "close", "run"])
def test_observer_of_the_start_may_call_the_widget(make, model, how, call):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(steps=20)
    refused = []

    def act():
        try:
            getattr(widget, call)()
        except BusyError as error:
            refused.append(error)

    started = how(act)
    widget.observe(lambda change: started() if change.new == "running" else None, "status")
    widget.run(block=True)
    assert len(refused) == (call == "run")
    assert widget.status in ENDS
    assert_unchanged(model, before)
    assert not worker_threads()


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("call", ["wait", "stop", "close", "pick", "show"])
def test_observer_of_the_end_may_call_the_widget(make, model, how, call, blocks):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(steps=20)
    arguments = {"pick": (1e-3,), "show": ("loss",)}.get(call, ())
    returned = []
    done = at_the_end_of(widget, how(lambda: returned.append(getattr(widget, call)(*arguments))))
    widget.run(block=blocks)
    wait_for(lambda: done and returned)
    assert widget.wait(20)
    assert returned == [True if call == "wait" else None]
    assert_unchanged(model, before)
    wait_for(lambda: not worker_threads())


@pytest.mark.parametrize("call", ["wait", "stop", "close", "pick", "run", "block"])
def test_rule_of_the_user_may_call_the_widget(make, model, how, rule, call):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(steps=30)
    calls = {
        "pick": lambda: widget.pick(1e-3),
        "block": lambda: widget.run(block=True),
        "wait": lambda: widget.wait(0.3),
    }
    refused = []

    def act():
        try:
            calls.get(call, lambda: getattr(widget, call)())()
        except BusyError as error:
            refused.append(error)

    acting = how(act)
    rule(lambda lrs, losses: acting())
    widget.run(block=True)
    assert bool(refused) == (call in ("run", "block"))
    assert widget.status in ("finished", "diverged")
    assert_unchanged(model, before)
    wait_for(lambda: not worker_threads())


def test_rules_of_the_user_do_not_run_while_the_widget_waits_for_them(finished, rule):
    asked = []
    rule(lambda lrs, losses: asked.append(1))
    finished.plan("one-cycle", batches=20)
    finished.plan("constant")
    assert not asked


def test_suggestions_follow_the_plan_as_those_of_the_result_do(finished):
    for kind, target in (("one-cycle", "one_cycle"), ("constant", "constant")):
        finished.plan(kind)
        expected = finished.result.suggestions(target)
        assert {rule: each.lr for rule, each in finished.suggestions.items()} == {
            rule: each.lr for rule, each in expected.items()
        }


def test_observer_of_the_pick_may_pick_apply_and_close(make, how):
    widget = make()
    seen = []

    def react():
        seen.append(widget.picked_lr)
        if len(seen) == 1:
            widget.pick(2e-3)
            widget.apply()
            widget.close()

    acting = how(react)
    widget.observe(lambda _change: acting(), "picked_lr")
    widget.pick(1e-3)
    assert seen[0] == 1e-3
    assert widget.picked_lr == 2e-3
    wait_for(lambda: 2e-3 in seen)


def test_pick_during_a_test_is_observed_before_it_returns(make):
    widget = make(slow_batches(), steps=400)
    seen = []
    widget.observe(lambda change: seen.append(change.new), "picked_lr")
    widget.run()
    wait_for(lambda: len(widget._state.curve) > 2)
    for lr in (1e-3, 2e-3, 3e-3):
        widget.pick(lr)
    assert seen == [1e-3, 2e-3, 3e-3]


def test_late_notice_of_a_pick_does_not_bring_it_back(make):
    widget = make()
    lrs = []

    def observe(change):
        lrs.append(change.new)
        if len(lrs) == 1:
            in_another_thread(lambda: widget.pick(2e-3))()

    widget.observe(observe, "picked_lr")
    widget.pick(1e-3)
    assert lrs == [1e-3, 2e-3]
    assert widget.picked_lr == widget._state.picked_lr == 2e-3


def test_observers_see_every_status_in_its_order_from_whichever_thread(make):
    for _ in range(5):
        widget = make(steps=10)
        seen = []
        widget.observe(lambda change, seen=seen: seen.append((change.old, change.new)), "status")
        widget.run()
        widget.stop()
        widget.wait()
        wait_for(lambda seen=seen: seen[-1][1] in ENDS)
        assert [old for old, _new in seen] == ["idle", *(new for _old, new in seen[:-1])]


@pytest.mark.parametrize("error", [RuntimeError("mine"), SystemExit(3), KeyboardInterrupt()])
class TestErrors:
    def test_observer_of_the_start_that_fails_leaves_no_test_behind(self, make, model, error):
        model.optimizer.build(model.trainable_variables)
        before = values(model)
        widget = make(slow_batches(), steps=400)

        def fail(change):
            if change.new == "running":
                raise error

        widget.observe(fail, "status")
        with pytest.raises(type(error)):
            widget.run()
        assert widget.status == "stopped"
        assert not worker_threads()
        assert_unchanged(model, before)
        if isinstance(error, Exception):
            assert part(widget, "status").value == failed(error)
        widget.unobserve_all("status")
        widget._data = new_data()
        widget.run(block=True)

    def test_observer_of_the_end_that_fails_is_shown_and_the_result_stays(self, make, error):
        widget = make(steps=20)

        def fail():
            raise error

        at_the_end_of(widget, fail)
        widget.run()
        wait_for(lambda: widget.error is error)
        assert widget.status in ("finished", "diverged")
        assert part(widget, "status").value == failed(error)
        widget.run(block=True)
        assert widget.error is None

    def test_observer_of_the_end_that_fails_raises_where_one_waits(self, make, error):
        widget = make(slow_batches(0.005), steps=40)

        def fail():
            raise error

        at_the_end_of(widget, fail)
        with pytest.raises(type(error)):
            widget.run(block=True)
        assert widget.status in ("finished", "diverged")
        assert not worker_threads()

    def test_other_observers_are_called_all_the_same(self, make, error):
        widget = make()
        seen = []

        def fail(_change):
            raise error

        widget.observe(fail, "picked_lr")
        with pytest.raises(type(error)):
            widget.pick(1e-3)
        widget.unobserve(fail, "picked_lr")
        widget.observe(lambda change: seen.append(change.new), "picked_lr")
        widget.pick(2e-3)
        assert seen == [2e-3]

    def test_rule_that_fails_in_any_way_ends_the_test_as_failed(self, make, rule, error):
        widget = make(steps=20)

        def ask(_lrs, _losses):
            raise error

        rule(ask)
        with pytest.raises(type(error)):
            widget.run(block=True)
        assert widget.status == "failed"
        assert widget.error is error
        assert len(widget.result.lrs)
        assert not worker_threads()


def test_error_of_an_observer_of_a_click_is_shown(finished):
    def fail(_change):
        raise RuntimeError("mine")

    finished.observe(fail, "picked_lr")
    part(finished, "pick-slider").value = 5
    assert part(finished, "status").value == "RuntimeError: mine"


def test_interrupt_in_an_observer_of_the_start_stops_the_test(make, model, interrupts):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = make(slow_batches(), steps=400)
    widget.observe(lambda change: interrupts.now() if change.new == "running" else None, "status")
    with pytest.raises(KeyboardInterrupt):
        widget.run()
    assert widget.status == "stopped"
    assert not worker_threads()
    assert_unchanged(model, before)


def test_interrupt_while_the_test_is_prepared_starts_none(make, interrupts):
    sent = []

    class Interrupting(keras.utils.PyDataset):
        def __len__(self):
            if threading.current_thread() is threading.main_thread() and not sent:
                sent.append(interrupts.now())
            return 20

        def __getitem__(self, index):
            inputs, labels = new_data()
            return inputs[:32], labels[:32]

    widget = make(Interrupting())
    with pytest.raises(KeyboardInterrupt):
        widget.run()
    assert widget.status == "failed"
    assert part(widget, "status").value == "You interrupted the test. Your model is unchanged."
    assert not worker_threads()
    widget._data = new_data()
    widget.run(block=True)
    assert widget.error is None


def test_interrupt_while_closing_closes_all_the_same(model, interrupts):
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    widget = LRFinderWidget(model, slow_batches(0.2), steps=400)
    widget.run()
    wait_for(lambda: len(widget._state.curve) > 1)
    interrupts.once(lambda: widget.status == "stopping")
    with pytest.raises(KeyboardInterrupt):
        widget.close()
    assert widget.comm is None
    assert widget.status == "stopped"
    assert_unchanged(model, before)
    assert not worker_threads()


def test_wait_and_run_within_a_test_do_not_wait_for_themselves(make):
    model = new_model()
    said = []

    class Asking(type(model)):
        def train_step(self, data):
            if not said:
                said.append(widget.wait())
                with pytest.raises(BusyError, match="running already"):
                    widget.run(block=True)
            return super().train_step(data)

    asking = Asking(model.layers)
    asking.compile("sgd", model.loss)
    widget = LRFinderWidget(asking, new_data(), steps=10)
    widget.run(block=True)
    assert said == [False]
    assert widget.status in ENDS
    widget.close()


@pytest.mark.parametrize("call", ["run", "extend", "apply", "undo"])
def test_closed_widget_says_so(finished, call):
    finished.pick(1e-3)
    finished.close()
    with pytest.raises(LRWidgetError, match="closed"):
        getattr(finished, call)()
    with pytest.raises(LRWidgetError, match="closed"):
        finished.code  # noqa: B018
    assert finished.wait()
    finished.stop()
    finished.close()
    assert len(finished.result.lrs)
