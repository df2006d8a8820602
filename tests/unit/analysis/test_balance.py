from dataclasses import replace

from llmdvfs.analysis.requests.balance import balance_result
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.run import InstanceRecord
from llmdvfs.records.spec import Role

STAMPS = ProxyRecord("r", 0, None, None, None, None, None, None, None, None, 200, None)


def instance(name: str, role: Role) -> InstanceRecord:
    return InstanceRecord(name, role, "", (), {}, (), None, None, "")


def test_counts_and_imbalance_of_the_busiest_role() -> None:
    instances = [instance("prefill-0", "prefill"), instance("prefill-1", "prefill"), instance("decode-0", "decode")]
    proxy = [
        replace(STAMPS, prefill_instance="prefill-0", decode_instance="decode-0"),
        replace(STAMPS, prefill_instance="prefill-0", decode_instance="decode-0"),
        replace(STAMPS, prefill_instance="prefill-0", decode_instance=None),  # its prefill failed
        replace(STAMPS, prefill_instance="prefill-1", decode_instance="decode-0"),
    ]
    balance = balance_result(instances, proxy)
    assert balance is not None
    assert balance.requests_by_instance == {"prefill-0": 3, "prefill-1": 1, "decode-0": 3}
    assert balance.imbalance_fraction == 0.5  # 3 requests where the mean is 2


def test_an_instance_that_got_nothing_counts() -> None:
    balance = balance_result(
        [instance("single-0", "single"), instance("single-1", "single")], [replace(STAMPS, decode_instance="single-1")]
    )
    assert balance is not None
    assert balance.requests_by_instance == {"single-0": 0, "single-1": 1}
    assert balance.imbalance_fraction == 1.0


def test_one_instance_has_no_imbalance_and_no_proxy_no_balance() -> None:
    balance = balance_result([instance("single-0", "single")], [replace(STAMPS, decode_instance="single-0")])
    assert balance is not None
    assert balance.imbalance_fraction is None
    assert balance_result([instance("single-0", "single")], []) is None
