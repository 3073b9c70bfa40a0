"""Words for people: counts that agree with their nouns, rounded figures, lists cut short, times as people say them."""

from collections.abc import Sequence


def dollars(amount: float) -> str:
    """An amount of money, small ones to a hundredth of a cent.

    Example:
        >>> dollars(1234.5), dollars(0.0421), dollars(0)
        ('$1,234.50', '$0.0421', '$0.00')
    """
    return f"${amount:,.4f}" if 0 < amount < 0.1 else f"${amount:,.2f}"


def plural(count: int, noun: str, plural_noun: str | None = None) -> str:
    """A count with its noun, in the number that it takes.

    Args:
        count: how many.
        noun: the noun in the singular.
        plural_noun: its plural, unless that is the noun with an "s".

    Example:
        >>> plural(1, "document"), plural(2000, "document"), plural(0, "query", "queries")
        ('1 document', '2,000 documents', '0 queries')
    """
    return f"{count:,} {noun if count == 1 else plural_noun or noun + 's'}"


def figure(value: float) -> str:
    """A number with at most four digits that count, or all of a whole number.

    Example:
        >>> figure(1234.0), figure(104.273), figure(0.66667)
        ('1,234', '104.3', '0.6667')
    """
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


def percent(share: float) -> str:
    """A share of at most four digits that count, in percent.

    Example:
        >>> percent(0.2), percent(0.66667)
        ('20 %', '66.67 %')
    """
    return f"{100 * share:.4g} %"


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, joined by commas, and how many more there are.

    Example:
        >>> listed(["a", "b", "c"], most=2)
        'a, b and 1 more'
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def duration(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> duration(42), duration(170), duration(7300)
        ('42 s', '3 min', '2 h 2 min')
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
