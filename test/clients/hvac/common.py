"""What every script has: comparisons whose failure shows both sides, and the errors a client raises."""
from hvac import exceptions


def equal(actual, expected):
    assert actual == expected, f'{actual!r} is not {expected!r}'


def holds(actual, **expected):
    """Some members of a dictionary."""
    for name, value in expected.items():
        assert name in actual, f'no {name!r} in {actual!r}'
        assert actual[name] == value, f'{name}: {actual[name]!r} is not {value!r}'


def between(low, actual, high):
    assert low <= actual <= high, f'{actual!r} is not within {low!r} and {high!r}'


def raises(kind, call, *args, text='', **kwargs):
    """The error that the call raises; it is of exactly this kind and its message has the text."""
    try:
        answer = call(*args, **kwargs)
    except exceptions.VaultError as error:
        assert type(error) is kind, f'{type(error).__name__} ({error}) instead of {kind.__name__}'
        assert text in str(error), f'{str(error)!r} has no {text!r}'
        return error
    raise AssertionError(f'{kind.__name__} was expected; got {answer!r}')


def as_token(token):
    return hvac.Client(url=client.url, token=token)


def nobody():
    """A client without a token; left out, hvac would take the environment's."""
    return as_token('')


def empty(response):
    """A reply without content."""
    status = getattr(response, 'status_code', 200)
    assert status == 204, f'{status}: {response!r}'
    equal(response.text, '')
