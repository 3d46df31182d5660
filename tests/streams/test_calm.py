"""Calm: what a library repeats is said once in a while, with how often it was not."""

from __future__ import annotations

import logging

import pytest

from streams import calm


def said(
    name: str, number: int, when: float, monkeypatch: pytest.MonkeyPatch, one: calm.Calm
) -> str:
    monkeypatch.setattr(calm.time, "monotonic", lambda: when)
    record = logging.LogRecord(name, logging.ERROR, "x.py", 7, "failed %d", (number,), None)
    return record.getMessage() if one.filter(record) else ""


def test_the_same_is_said_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    one = calm.Calm(("aiokafka",))
    at = [said("aiokafka.client", n, 100 + n, monkeypatch, one) for n in range(11)]
    assert at == ["failed 0", *[""] * 9, "failed 10 (and 9 times more before)"]
    assert said("aiokafka.conn", 1, 111, monkeypatch, one) == "failed 1", "another place"


def test_our_own_words_are_always_said(monkeypatch: pytest.MonkeyPatch) -> None:
    one = calm.Calm(("aiokafka",))
    assert [said("streams.app", n, 1, monkeypatch, one) for n in (1, 2)] == ["failed 1", "failed 2"]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm, "KNOWN", 3)
    one = calm.Calm(("aiokafka",))
    for number in range(9):
        assert said(f"aiokafka.{number}", 1, 1, monkeypatch, one)
    assert len(one._said) <= 3
