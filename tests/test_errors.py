import pickle

from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import UserError, printable


@given(st.text())
def test_a_terminal_is_never_steered_and_the_rest_is_unchanged(text):
    shown = printable(text)
    assert all(c.isprintable() or c.isspace() for c in shown)
    assert printable(shown) == shown
    if all(c.isprintable() or c in "\n\t" for c in text):
        assert shown == text


def test_an_error_of_the_user_is_printable_and_can_be_sent_to_another_process():
    error = UserError("a file called \x1b[2J, \udcff and naïve ✓\nis missing")
    assert str(error) == "a file called \\x1b[2J, \\udcff and naïve ✓\nis missing"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
