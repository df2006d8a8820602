from llmdvfs.plan.rule_names import rule_names


def test_a_name_is_readable() -> None:
    assert rule_names(["single_llama-3.1", "replicated-2_tiny"]) == {
        "single_llama-3.1": "single_llama_3_1",
        "replicated-2_tiny": "replicated_2_tiny",
    }


def test_two_models_that_differ_in_a_dot_have_two_names() -> None:
    """`llama-3.1` and `llama-3-1` beside each other: Snakemake refused the second rule by a name nobody had written."""
    names = rule_names(["single_llama-3.1", "single_llama-3-1", "single_other"])
    assert len(set(names.values())) == 3
    assert names["single_other"] == "single_other"
    assert all(name.isidentifier() for name in names.values())
    assert names["single_llama-3.1"].startswith("single_llama_3_1_")
