"""Rules of a firewall: read, written as they are usually written, and what the packet filter is told."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domus.model.errors import BadInput
from domus.model.firewall import MOST_RULES, Rule, parse, parse_all, split
from domus.model.networks import Network, NetworkKind
from domus.network import firewall
from domus.network.firewall import Filtered


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("deny in", "deny in"),
        ("allow  in tcp 22  from 10.0.0.0/8", "allow in tcp 22 from 10.0.0.0/8"),
        ("allow out udp 53,67-68 to 192.0.2.1/32", "allow out udp 53,67-68 to 192.0.2.1"),
        ("allow in icmp from fd00::/8,10.0.0.0/8", "allow in icmp from fd00::/8,10.0.0.0/8"),
        ("allow in tcp 1-10,5-20,21", "allow in tcp 1-21"),
        ("deny out from 10.0.0.0/8,10.1.0.0/16 to 10.0.0.0/8", "deny out from 10.0.0.0/8 to 10.0.0.0/8"),
        ("allow in tcp", "allow in tcp"),
    ],
)
def test_a_rule_is_read_and_written_in_one_way(text: str, usual: str) -> None:
    assert str(parse(text)) == usual
    assert parse(usual) == parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with allow or deny"),
        ("permit in", "begins with allow or deny"),
        ("allow sideways", "begins with allow or deny"),
        ("allow in sctp", "'sctp' is not understood"),
        ("allow in 22", "'22' is not understood"),
        ("allow in icmp 8", "'8' is not understood"),
        ("allow in tcp ssh", "'ssh' is no port"),
        ("allow in tcp 0", "ports are from 1 to 65535"),
        ("allow in tcp 90-80", "ports are from 1 to 65535"),
        ("allow in tcp 22 23", "'23' is too much"),
        ("allow in from", "'' is no address"),
        ("allow in from 10.0.0.1/8", "has host bits set"),
        ("allow in from 10.0.0.0/8 from 10.0.0.0/8", "'from' stands there twice"),
        ("allow in from 10.0.0.0/8 tcp", "'tcp' is too much"),
        ("allow in from 10.0.0.0/8 to fd00::/8", "no packet is both of IPv4 and of IPv6"),
        ('allow in from 10.0.0.0/8" drop', "is no address"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse(text)


def test_a_text_holds_many_rules_and_too_many_are_refused() -> None:
    assert split("allow in icmp; deny in;\n deny out udp\n") == ("allow in icmp", "deny in", "deny out udp")
    with pytest.raises(BadInput, match="256 rules at most"):
        parse_all(["deny in"] * (MOST_RULES + 1))


_NETWORKS = st.one_of(
    st.builds(lambda n, p: IPv4Network((n, p), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)),
    st.builds(
        lambda n, p: IPv6Network((n, p), strict=False), st.integers(0, 2**128 - 1), st.integers(0, 128)
    ),
)


@given(
    st.builds(
        Rule,
        st.booleans(),
        st.booleans(),
        st.sampled_from(["tcp", "udp"]),
        st.lists(st.tuples(st.integers(1, 99), st.integers(100, 65535)), max_size=3).map(tuple),
        st.lists(_NETWORKS, max_size=4).map(tuple),
        st.lists(_NETWORKS, max_size=4).map(tuple),
    )
)
def test_whatever_is_a_rule_reads_back_as_itself(rule: Rule) -> None:
    try:
        first = parse(str(rule))
    except BadInput as error:
        assert "both of IPv4 and of IPv6" in error.what
        return
    assert parse(str(first)) == first
    for direction in ("in", "out"):
        for line in firewall.compiled([first], direction):
            assert line.endswith(('counter drop comment "1"', "return"))


def test_the_filter_is_told_each_rule_for_the_versions_that_it_speaks_of() -> None:
    rules = parse_all(["allow in tcp 22 from 10.0.0.0/8,fd00::/8", "deny in", "deny out udp to fd00::1"])
    assert list(firewall.compiled(rules, "in")) == [
        "ip saddr { 10.0.0.0/8 } tcp dport { 22 } return",
        "ip6 saddr { fd00::/8 } tcp dport { 22 } return",
        'counter drop comment "2"',
    ]
    assert list(firewall.compiled(rules, "out")) == [
        'ip6 daddr { fd00::1/128 } meta l4proto udp counter drop comment "3"'
    ]


def test_a_packet_meets_its_domains_rules_and_then_its_networks() -> None:
    network = Network(name="lab", address="192.168.9.1/24", firewall=("deny in",))
    card = Filtered(("vif3.0",), 3, parse_all(["deny out"]), network)
    lines = firewall.lines("bridge", [card, Filtered(("vif4.0",), 4, (), None)])
    base = [
        line.partition("cards-forward ")[2] for line in lines if "rule bridge domus cards-forward" in line
    ]
    assert base == [
        "jump passes",
        'iifname vmap { "vif3.0" : jump domain-3-out }',
        'oifname vmap { "vif3.0" : jump domain-3-in }',
        'iifname vmap { "vif3.0" : jump network-lab-out }',
        'oifname vmap { "vif3.0" : jump network-lab-in }',
    ]
    assert not any("vif4.0" in line for line in lines)
    # The network gives addresses: that goes on.
    assert any("192.168.9.1 } udp sport 68 udp dport 67 accept" in line for line in lines)
    bare = Network(name="lab", kind=NetworkKind.BRIDGE, bridge="xenbr0", firewall=("deny in",))
    assert not any("dport 67" in line for line in firewall.lines("bridge", [Filtered(("v",), 3, (), bare)]))
    assert firewall.lines("bridge", [Filtered(("vif4.0",), 4, (), None)]) == []
