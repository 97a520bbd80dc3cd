from collections.abc import Iterator

import pytest

from tests.redis_cluster import RedisCluster, redis_cluster


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[RedisCluster]:
    """Three primaries, for tests that end none of them."""
    with redis_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: RedisCluster) -> RedisCluster:
    """Those three, empty."""
    for node in shared_cluster.primaries:
        node.client.flushall()
    return shared_cluster
