"""Interrupts, as real signals of a real process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from evolve.host.signals import listen_for_signals

pytestmark = pytest.mark.usefixtures("interruptible")


def test_the_first_interrupt_asks_and_the_second_drops(capfd: pytest.CaptureFixture[str]) -> None:
    with listen_for_signals() as stop:
        stop.check()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested and "press Ctrl-C again" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            stop.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_termination_drops_at_once() -> None:
    with listen_for_signals() as stop:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested, "for the threads that wait for something"


def test_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with listen_for_signals():
        assert signal.getsignal(signal.SIGINT) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_program_in_the_background_goes_on_ignoring_interrupts() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with listen_for_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_hear_nothing() -> None:
    asked: list[bool] = []

    def listen() -> None:
        with listen_for_signals() as stop:
            asked.append(stop.requested)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert asked == [False]
