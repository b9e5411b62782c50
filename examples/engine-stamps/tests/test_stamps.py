from pathlib import Path

from engine.testing import SimulatedHarness

SCENARIO = Path(__file__).parents[1] / "scenarios" / "stamp.yaml"
ORDER = {"order": "1001", "customer": "ana@example.com"}


def ten(clock):
    return [{"id": number, "for": f"order {number}", "at": clock.time() - 60} for number in range(1, 11)]


async def test_an_order_gets_a_stamp():
    async with SimulatedHarness.of(SCENARIO) as harness:
        result = await harness.run(ORDER)
        assert (result.state, result.output) == ("succeeded", {"stamp": 1, "shown": 0, "full": []})
        assert [stamp["for"] for stamp in harness.simulator("stamps").cards["ana@example.com"]] == ["order 1001"]


async def test_every_page_of_full_cards_is_read():
    async with SimulatedHarness.of(SCENARIO) as harness:
        harness.simulator("stamps").cards = {f"{name}@example.com": ten(harness.clock) for name in "abcde"}
        result = await harness.run(ORDER)
        assert result.output["full"] == [f"{name}@example.com" for name in "abcde"]


async def test_a_stamp_whose_answer_is_lost_is_looked_for_and_not_sent_again():
    async with SimulatedHarness.of(SCENARIO) as harness:
        harness.lose_answers("stamps")
        [run] = (await harness.send(ORDER)).runs
        result = await harness.result(run, advance=5)
        assert (result.state, result.output["shown"]) == ("succeeded", 1)
        assert [(effect.state, effect.settled_by) for effect in result.effects] == [("done", "probe")]
        assert len(harness.simulator("stamps").cards["ana@example.com"]) == 1
