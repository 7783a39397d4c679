"""Units: from the SenML registry to UCUM, and which texts are UCUM units at all. Pure.

Source: the SenML units registry (RFC 8428, 8798) and the Unified Code for Units of Measure, case-sensitive codes.
"""

from functools import lru_cache

from devices.errors import UnitUnknown

MAX_UNIT_LENGTH = 40

# What SenML writes in another way than UCUM. Where a text means one thing there and another here (B is a byte there
# and a bel here), SenML's meaning counts, since it is SenML that devices send.
SENML_TO_UCUM = {
    "/": "1",
    "%RH": "%",
    "%EL": "%",
    "EL": "s",
    "/100": "%",
    "/1000": "[ppth]",
    "1/s": "/s",
    "1/min": "/min",
    "Ah": "A.h",
    "B": "By",
    "B/s": "By/s",
    "Bspl": "B[SPL]",
    "GB": "GBy",
    "KiB": "KiBy",
    "MB/s": "MBy/s",
    "NTU": "{NTU}",
    "VA": "V.A",
    "VAs": "V.A.s",
    "Wh": "W.h",
    "Wh/km": "W.h/km",
    "beat/min": "{beats}/min",
    "beats": "{beats}",
    "count": "{count}",
    "dBW": "dB[W]",
    "dBm": "dB{mW}",
    "kVA": "kV.A",
    "kVAh": "kV.A.h",
    "kWh": "kW.h",
    "kvar": "kV.A{reactive}",
    "kvarh": "kV.A.h{reactive}",
    "lat": "deg",
    "lon": "deg",
    "pH": "[pH]",
    "ppb": "[ppb]",
    "ppm": "[ppm]",
    "var": "V.A{reactive}",
    "varh": "V.A.h{reactive}",
    "vars": "V.A.s{reactive}",
}

_PREFIX_CODES = "Q R Y Z E P T G M k h da d c m u n p f a z y r q Ki Mi Gi Ti"

# Atoms that may have a prefix ("metric" in UCUM's tables).
_METRIC_CODES = """
    m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv
    l L ar t bar u eV pc gf [c] [h] [k] [eps_0] [mu_0] [e] [m_e] [m_p] [G] [g] [ly]
    Ky Gal dyn erg P St Mx G Oe Gb sb Lmb ph Ci R RAD REM cal_[15] cal_[20] cal_m cal_IT cal_th cal
    m[H2O] m[Hg] mho kat U [iU] [IU] eq osm g% Np B B[SPL] B[V] B[mV] B[uV] B[10.nV] B[W] B[kW] st bit By Bd
"""

_OTHER_CODES = """
    10* 10^ [pi] % [ppth] [ppm] [ppb] [pptr] gon deg ' '' min h d a_t a_j a_g a wk mo_s mo_j mo_g mo AU atm [lbf_av]
    [in_i] [ft_i] [yd_i] [mi_i] [fth_i] [nmi_i] [kn_i] [sin_i] [sft_i] [syd_i] [cin_i] [cft_i] [cyd_i] [mil_i]
    [ft_us] [yd_us] [in_us] [mi_us] [acr_us] [acr_br] [gal_us] [bbl_us] [qt_us] [pt_us] [foz_us] [cup_us] [tsp_us]
    [tbs_us] [bu_us] [gal_wi] [pk_us] [gal_br] [pt_br] [qt_br] [foz_br] [gr] [lb_av] [oz_av] [dr_av] [ston_av]
    [lton_av] [stone_av] [oz_tr] [lb_tr] [pnt] [pca] [degF] [degR] [degRe] [Btu_39] [Btu_59] [Btu_60] [Btu_m]
    [Btu_IT] [Btu_th] [Btu] [Cal] [HP] att [psi] [in_i'H2O] [in_i'Hg] [pH] [S] [HPF] [LPF] [arb'U] [USP'U]
    [CFU] [PFU] bit_s [car_m] [car_Au] [smoot] [diop] [mesh_i] circ sph tex [den] [m/s2/Hz^0.5] b
"""
_PREFIXES = frozenset(_PREFIX_CODES.split())
_METRIC = frozenset(_METRIC_CODES.split())
_ATOMS = _METRIC | frozenset(_OTHER_CODES.split())


@lru_cache(maxsize=4096)
def ucum_unit(unit: str) -> str:
    """Return the UCUM code for a unit that a device named. Raises UnitUnknown."""
    if unit in SENML_TO_UCUM:
        return SENML_TO_UCUM[unit]
    if is_ucum(unit):
        return unit
    raise UnitUnknown(f"The unit {unit[:MAX_UNIT_LENGTH]!a} is neither in the SenML registry nor a UCUM unit.")


def is_ucum(unit: str) -> bool:
    """Tell whether a text is a unit by UCUM's grammar, built from atoms and prefixes that exist."""
    if not 0 < len(unit) <= MAX_UNIT_LENGTH or not unit.isascii() or not unit.isprintable() or " " in unit:
        return False
    rest = _after_term(unit.removeprefix("/"))
    return rest == ""


def _after_term(text: str) -> str | None:
    """Read components joined by . and /. Return what follows them, or None when there is no term."""
    rest = _after_component(text)
    while rest and rest[0] in "./":
        rest = _after_component(rest[1:])
    return rest


def _after_component(text: str) -> str | None:
    if text.startswith("("):
        rest = _after_term(text[1:])
        return rest[1:] if rest and rest[0] == ")" else None
    if text.startswith("{"):
        return _after_annotation(text)
    end = _symbol_end(text)
    symbol = text[:end]
    if not symbol or not (_is_factor(symbol) or _is_simple_unit(symbol)):
        return None
    return _after_annotation(text[end:]) if text[end : end + 1] == "{" else text[end:]


def _after_annotation(text: str) -> str | None:
    comment, closed, rest = text[1:].partition("}")
    return rest if closed and "{" not in comment else None


def _symbol_end(text: str) -> int:
    """Return where a unit symbol with its exponent ends; dots and slashes inside [ ] belong to it."""
    is_inside = False
    for position, letter in enumerate(text):
        if letter in "[]":
            is_inside = letter == "["
        elif not is_inside and letter in "./(){}":
            return position
    return len(text)


def _is_factor(symbol: str) -> bool:
    return symbol.isdigit() and int(symbol) > 0


def _is_simple_unit(symbol: str) -> bool:
    """Tell whether a symbol is [prefix]atom[exponent]. Every split is tried: atoms may end in digits themselves."""
    bare = symbol.rstrip("0123456789")
    if bare != symbol and bare[-1:] in ("+", "-"):
        bare = bare[:-1]
    return any(_is_atom(text) for text in {symbol, bare} if text)


def _is_atom(symbol: str) -> bool:
    if symbol in _ATOMS:
        return True
    return any(symbol[:size] in _PREFIXES and symbol[size:] in _METRIC for size in (1, 2))
