"""Addresses, slots and what nodes say of each other, without a server."""

import pytest
from redis.crc import key_slot

from operators.redis.cluster.address import Node, cluster_address, is_cluster
from operators.redis.cluster.topology import Redirection, read_topology, redirection_in, slot_of

ASKED = Node("10.0.0.9", 7000)


@pytest.mark.parametrize("key", ["", "a", "{a}b", "x{a}b", "{}a", "a{}b{c}", "a{b", "a}b{", "{{a}}", "a{b}{c}", "ü{ü}"])
def test_a_keys_slot_is_redis_pys(key: str) -> None:
    assert slot_of(key.encode()) == key_slot(key.encode())


def test_an_address_names_nodes_and_what_each_connection_needs() -> None:
    address = cluster_address("rediss+cluster://me:s%40x@a:7000,[::1]:7001,b?ssl_ca_certs=/ca.pem")
    assert address.seeds == (Node("a", 7000), Node("::1", 7001), Node("b", 6379))
    assert address.url_of(Node("::1", 1)) == "rediss://me:s%40x@[::1]:1?ssl_ca_certs=/ca.pem"
    assert is_cluster("redis+cluster://a")
    assert not is_cluster("redis://a+cluster://")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis+cluster://a:7000/1", "database 0"),
        ("redis+cluster://a:7000?db=3", "database 0"),
        ("redis+cluster://", "host and a port"),
        ("redis+cluster://a:7000,,b", "host and a port"),
        ("redis+cluster://a:0", "host and a port"),
        ("redis+cluster://a:99999", "host and a port"),
        ("redis://a", "redis.cluster://host:port"),
    ],
)
def test_what_is_no_address_is_refused_without_its_text(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        cluster_address(url)
    assert "7000" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis+cluster://a:1/0", "redis+cluster://a:1/", "redis+cluster://a:1?db=0"])
def test_the_one_database_may_be_named(url: str) -> None:
    assert cluster_address(url).seeds == (Node("a", 1),)


def test_owners_and_nodes_are_read_and_a_node_without_a_name_is_the_one_asked() -> None:
    found = read_topology(
        [[0, 99, [b"", 7000, b"id"], [b"10.0.0.2", 7001, b"id", []]], [100, 16_382, [None, 7002, b"id"]]], ASKED
    )
    assert (found.owners[99], found.owners[100], found.owners[16_383]) == (ASKED, Node("10.0.0.9", 7002), None)
    assert found.primaries == (ASKED, Node("10.0.0.9", 7002))
    assert Node("10.0.0.2", 7001) in found.nodes
    assert not found.is_complete


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MOVED 3999 127.0.0.1:6381", Redirection(True, 3999, Node("127.0.0.1", 6381))),
        ("ASK 3999 [::1]:6381", Redirection(False, 3999, Node("::1", 6381))),
        ("MOVED 3999 :6381", Redirection(True, 3999, Node("10.0.0.9", 6381))),
        ("MOVED 99999 a:1", None),
        ("MOVED x", None),
        ("ERR MOVED 1 a:1", None),
        ("CLUSTERDOWN Hash slot not served", None),
    ],
)
def test_redirections_are_told_from_other_errors(text: str, found: Redirection | None) -> None:
    assert redirection_in(text, ASKED) == found
