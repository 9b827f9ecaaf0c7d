"""Which of several rows of a method is the method's own."""

import copy

from test_eligible import BELOW, ranks, rows, varied


def test_what_the_recipe_sets_for_a_method_is_its_default():
    """The one that nobody asked for was listed as a variant of the class's own interval."""
    recipe = varied("rigl", (0.90, 0.901, 0.902), distribution="erk", interval=10)
    plain = varied("rigl", (0.95, 0.951, 0.952), distribution="erk", interval=100)
    found = ranks([*plain, *recipe, *BELOW])
    assert found == {"rigl [interval=100]": "–", "rigl [interval=10]": "1", "static": "2"}
    for record in (unknown := [*plain, *recipe, *copy.deepcopy(BELOW)]):
        record["config"]["recipe"]["name"] = "unheard of"
    assert ranks(unknown) == {"rigl [interval=10]": "–", "rigl [interval=100]": "1", "static": "2"}


def test_a_default_may_be_a_whole_number_in_the_file_of_the_recipe():
    said = varied("set", (0.90, 0.901, 0.902), name="str", init=-8.0)
    older = varied("set", (0.95, 0.951, 0.952), name="str", init=-3.0)
    for record in (*said, *older):
        record["method"] = "str"
    for record in older:
        record["provenance"]["finished"] = "2026-11-01T00:00:00Z"
    assert ranks([*said, *older, *BELOW]) == {"str [init=-3.0]": "–", "str [init=-8.0]": "1", "static": "2"}


def test_a_variant_that_failed_is_a_variant_still():
    clone = varied("rigl", (0.95, 0.951), distribution="uniform")
    lost = varied("rigl", (0.9,), distribution="uniform")[0] | {"seed": 2, "status": "diverged", "key": "d" * 16}
    plain = varied("rigl", (0.90, 0.901, 0.902), distribution="erk")
    found = rows([*clone, lost, *plain, *BELOW])
    assert {name: row.variant for name, row in found.items()} == {
        "rigl [distribution=uniform]": True,
        "rigl [distribution=erk]": False,
        "static": False,
    }
