"""Head sampling by trace ID: the same trace gets the same answer in every service that uses the same rate."""

from __future__ import annotations

from typing import Final

from callspan.model.feedback import COMPONENT as FEEDBACK
from callspan.policy import SampleRates
from callspan.recording.sites import Site

_BITS: Final = 56
MASK: Final = (1 << _BITS) - 1
_MOST_SITES: Final = 4096


def bound_of(rate: float) -> int | None:
    """Return the bound under which the low 56 bits of a sampled trace ID lie; None when everything is sampled.

    >>> bound_of(1.0) is None
    True
    >>> bound_of(0.0)
    0
    """
    return None if rate >= 1 else int(rate * (1 << _BITS))


class SamplingRules:
    """Rates by kind and by name. Feedback is always recorded, whatever it is about."""

    __slots__ = ("_default", "_exact", "_follows_parent", "_kinds", "_own", "_prefixes")

    def __init__(self, rates: SampleRates) -> None:
        """Prepare the bounds."""
        self._default = bound_of(rates.default)
        self._follows_parent = rates.follow_parent
        self._kinds = {kind: bound_of(rate) for kind, rate in rates.kinds.items()}
        self._exact = {name: bound_of(rate) for name, rate in rates.names.items() if not name.endswith("*")}
        prefixes = [(name[:-1], bound_of(rate)) for name, rate in rates.names.items() if name.endswith("*")]
        self._prefixes = sorted(prefixes, key=lambda pair: -len(pair[0]))
        self._own: dict[tuple[str, str, str | None], tuple[bool, int | None]] = {}  # what was found out before

    def bound(self, site: Site, *, is_root: bool, is_ours: bool) -> int | None:
        """Return the bound for a span: that of its name, else of its kind, else what stands above it decides.

        That is nothing at the head of a trace, a span of ours, or one of another service or tracer. None records it.
        """
        has_own, bound = self._own_bound(site)
        if has_own:
            return bound
        return self._default if is_root or not (is_ours or self._follows_parent) else None

    @property
    def follows_parent(self) -> bool:
        """Whether what another service or tracer left out is left out here, too."""
        return self._follows_parent

    def _own_bound(self, site: Site) -> tuple[bool, int | None]:
        key = (site.name, site.kind, site.component)
        found = self._own.get(key)
        if found is None:
            if len(self._own) >= _MOST_SITES:
                self._own.clear()
            found = self._own[key] = self._find(site)
        return found

    def _find(self, site: Site) -> tuple[bool, int | None]:
        if site.component == FEEDBACK:
            return True, None
        if site.name in self._exact:
            return True, self._exact[site.name]
        for prefix, bound in self._prefixes:
            if site.name.startswith(prefix):
                return True, bound
        return (True, self._kinds[site.kind]) if site.kind in self._kinds else (False, None)


def rules_of(rates: SampleRates | float) -> SamplingRules | None:
    """Return rules where a rate is not all there is to say; a plain rate is quicker to follow."""
    if isinstance(rates, SampleRates) and (rates.kinds or rates.names or not rates.follow_parent):
        return SamplingRules(rates)
    return None
