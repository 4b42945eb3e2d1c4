"""Runner: the one worker thread of a widget, and the flag that stops it."""

import contextvars
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from lrwidget.core.model.interrupts import interrupts_held_back
from lrwidget.errors import BusyError
from lrwidget.ui.finder.jobs import Job
from lrwidget.ui.finder.run import Run
from lrwidget.ui.state.state import WidgetState

_NOW = "now"
_LOOK_SECONDS = 0.1
"""Interval at which a waiting thread checks whether it was interrupted."""

_PATIENCE_SECONDS = 10.0
"""An interrupt that comes so long after the first one leaves a test that does not end."""

_NOT_ENDED = (
    "The range test has not ended yet: its model, its data or an observer does not return. The "
    "model is restored when it does; `wait()` waits for that."
)

_RULES_SECONDS = 1.0
"""How long closing waits for rules of the user; one of them may itself wait for the close."""


class Runner:
    """Runs one test at a time in a thread and reports to the state.

    Args:
        state: Gets the start, the range found, updates at most ten times a second, and the end.
        afterwards: Called by the worker after a run for which no thread waits.
    """

    def __init__(self, state: WidgetState, afterwards: Callable[[], None]) -> None:
        self._state, self._afterwards = state, afterwards
        # At most one run. A dict, because it adds and removes the run in one step each, which no
        # interrupt and no second click can split.
        self._runs: dict[str, Run] = {}
        self._last: Run | None = None

    def start(
        self, prepare: Callable[[], tuple[Job, Callable[[], object]]], waits: bool = False
    ) -> None:
        """Prepare a test on this thread, then run it in the worker.

        Args:
            prepare: Returns the job and a function that reports its start to the state. It runs on
                this thread because the global state of Keras is thread-local.
            waits: Whether to return only after the end of the test. If not, other cells of the
                notebook can run, and the test must not undo their random numbers and seeds.

        Raises:
            BusyError: Another test is being prepared or is running.
            BaseException: Any error of `prepare` or of an observer of the status, or a keyboard
                interrupt. The test has then ended, and the model is restored.
        """
        run = Run(alone=waits)
        run.waiting += waits
        try:
            if self._runs.setdefault(_NOW, run) is not run:
                raise BusyError("A range test is running already. Call `stop()` or `wait()` first.")
            self._last = run
            job, begin = prepare()
            with self._state.turn.taken(), interrupts_held_back():
                begin()
                self._start_worker(run, job)
            del job, begin  # they hold the data
            if waits:
                self._wait_for(run, math.inf)
        except BaseException as error:
            with interrupts_held_back() as interrupts:
                self._give_up(run, error, interrupts)
            raise

    def _start_worker(self, run: Run, job: Job) -> None:
        # Use a copy of this context: ipykernel 7.0 finds no output cell in a plain thread.
        worker = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._work, run, job),
            name="lrwidget range test",
            daemon=True,
        )
        run.worker = worker
        worker.start()
        run.thread = worker.ident
        run.reserved.wait()

    def _give_up(self, run: Run, error: BaseException, interrupts: list[BaseException]) -> None:
        """End the run if the caller gets an error instead of a test."""
        if run.has_begun:
            self._stop_after(run, error, interrupts)
        elif self._runs.get(_NOW) is run:
            with self._state.turn.taken():
                self._release(run)
                self._state.fail(error)
                run.restored.set()
                run.over.set()

    def _stop_after(self, run: Run, error: BaseException, interrupts: list[BaseException]) -> None:
        self._ask_to_stop(run)
        try:
            if not run.is_left_alone:
                self._wait_for(run, math.inf, interrupts)
        except BaseException as another:  # from an observer of the end
            error = another
        if isinstance(error, Exception):
            self._state.show_error(error)

    def _ask_to_stop(self, run: Run) -> None:
        """Stop a run; notify observers later, so that none of them can prevent it."""
        run.stop.set()
        with self._state.turn.taken(delivers=False):
            if not run.over.is_set():
                self._state.ask_to_stop()

    def stop(self) -> None:
        """Ask the test to stop after its current step."""
        run = self._runs.get(_NOW)
        if run is not None:
            self._ask_to_stop(run)
            self._state.turn.deliver()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no test runs; a keyboard interrupt stops it.

        Args:
            timeout: Seconds; None waits for as long as it takes.

        Returns:
            Whether no test is running. False within a test, which cannot wait for itself.

        Raises:
            KeyboardInterrupt: After the model is restored; or at a second interrupt if the test
                does not end, such as in a training step that blocks.
        """
        end = math.inf if timeout is None else time.monotonic() + float(timeout)
        while (run := self._last) is not None and not run.over.is_set():
            if run.is_mine or not self._wait_for(run, end):
                return False
        return True

    def end(self) -> None:
        """Stop the test and wait until the model is restored, even if a rule of the user hangs.

        Raises:
            KeyboardInterrupt: As for `wait`.
        """
        run = self._runs.get(_NOW)
        if run is None or run.is_mine:
            self.stop()
            return
        self._ask_to_stop(run)
        with interrupts_held_back() as interrupts:
            if self._await(run, run.restored, math.inf, interrupts):
                self._wait_for(run, time.monotonic() + _RULES_SECONDS)

    def _wait_for(
        self, run: Run, end: float, interrupts: list[BaseException] | None = None
    ) -> bool:
        """Wait for the end of a run; return whether it has ended.

        Args:
            run: The run.
            end: The time at which to give up.
            interrupts: The interrupts that the caller holds back; None if it does not.
        """
        try:
            with interrupts_held_back() as own, self._waiting(run):
                if not self._await(run, run.over, end, own if interrupts is None else interrupts):
                    return False
                if run.is_left and run.worker is not None:
                    run.worker.join()  # about to end
                return True
        finally:
            if run.over.is_set():
                self._state.turn.deliver()

    def _await(
        self, run: Run, event: threading.Event, end: float, interrupts: list[BaseException]
    ) -> bool:
        """Wait for an event of a run; an interrupt stops it, and a late second one leaves it.

        Args:
            run: The run.
            event: Its `over` or `restored`.
            end: The time at which to give up.
            interrupts: The interrupts that are being held back; more may come.

        Returns:
            Whether the event is set.
        """
        # Not with `Thread.join`: on Python 3.11, an interrupted join takes the thread for ended
        # (https://github.com/python/cpython/issues/89437).
        seen, patience = len(interrupts), time.monotonic() + _PATIENCE_SECONDS
        while not event.wait(max(0.0, min(_LOOK_SECONDS, end - time.monotonic()))):
            now = time.monotonic()
            if len(interrupts) > seen:
                if seen and now >= patience:
                    run.is_left_alone = True
                    interrupts[0].add_note(_NOT_ENDED)
                    return False
                if not seen:
                    self._ask_to_stop(run)
                    end, patience = math.inf, now + _PATIENCE_SECONDS
                seen = len(interrupts)
            elif now >= end:
                return False
        return True

    @contextmanager
    def _waiting(self, run: Run) -> Iterator[None]:
        """Count this thread as waiting, in turns, so that the worker sees a consistent count."""
        with self._state.turn.taken(delivers=False):
            run.waiting += 1
        try:
            yield
        finally:
            with self._state.turn.taken(delivers=False):
                run.waiting -= 1

    def _release(self, run: Run) -> None:
        if self._runs.get(_NOW) is run:
            del self._runs[_NOW]

    def _work(self, run: Run, job: Job) -> None:
        run.thread = threading.get_ident()
        outcome = self._outcome(run, job)
        try:
            with self._state.turn.taken(delivers=False):
                # Before the status changes: an observer of it may start the next test at once.
                self._release(run)
                self._conclude(job, outcome)
                run.is_left = run.waiting > 0
                run.over.set()
            if not run.is_left:
                self._state.turn.deliver()
                self._afterwards()
        except BaseException as error:  # from an observer of the user
            self._state.show_error(error)
        finally:
            run.over.set()

    def _outcome(self, run: Run, job: Job) -> Callable[[], None]:
        """Run the job; return a function that reports its end to the state."""
        try:
            result = job.run(run.stop, run.alone, self._quietly, run.reserved.set)
        except BaseException as error:  # also of the model and the data
            return partial(job.fail, error)
        finally:
            run.reserved.set()
            run.restored.set()
        return job.outcome(result)

    def _conclude(self, job: Job, outcome: Callable[[], None]) -> None:
        try:
            outcome()
        except BaseException as error:  # from a view: the job must not appear to be running
            job.fail(error)

    def _quietly(self, tell: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return `tell` without calls to the user's observers, which would slow down the test."""

        def told(news: Any) -> None:
            with self._state.turn.taken(delivers=False):
                tell(news)

        return told
