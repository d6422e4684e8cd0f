"""Token counts as providers report them."""

from __future__ import annotations

import pytest

from callspan.model.usage import Usage, read_usage


def test_chat_completions():
    assert read_usage(
        {
            "prompt_tokens": 40,
            "completion_tokens": 12,
            "total_tokens": 52,
            "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 1, "text_tokens": 37, "image_tokens": 2},
            "completion_tokens_details": {
                "reasoning_tokens": 3,
                "audio_tokens": 0,
                "text_tokens": 9,
                "accepted_prediction_tokens": 5,
                "rejected_prediction_tokens": 6,
            },
        }
    ) == Usage(
        input_tokens=40,
        output_tokens=12,
        total_tokens=52,
        cache_read_tokens=16,
        reasoning_tokens=3,
        audio_input_tokens=1,
        audio_output_tokens=0,
        text_input_tokens=37,
        text_output_tokens=9,
        image_input_tokens=2,
        accepted_prediction_tokens=5,
        rejected_prediction_tokens=6,
        source="reported",
        tokenizer=None,
    )


def test_responses():
    assert read_usage(
        {
            "input_tokens": 40,
            "input_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 4},
            "output_tokens": 12,
            "output_tokens_details": {"reasoning_tokens": 3, "image_tokens": 7},
            "total_tokens": 52,
        }
    ) == Usage(
        input_tokens=40,
        output_tokens=12,
        total_tokens=52,
        cache_read_tokens=16,
        cache_write_tokens=4,
        reasoning_tokens=3,
        image_output_tokens=7,
    )


def test_usage_metadata_of_langchain():
    assert read_usage(
        {
            "input_tokens": 40,
            "output_tokens": 12,
            "total_tokens": 52,
            "input_token_details": {"cache_read": 16, "cache_creation": 4, "audio": 1},
            "output_token_details": {"reasoning": 3, "audio": 2},
        }
    ) == Usage(
        input_tokens=40,
        output_tokens=12,
        total_tokens=52,
        cache_read_tokens=16,
        cache_write_tokens=4,
        reasoning_tokens=3,
        audio_input_tokens=1,
        audio_output_tokens=2,
    )


def test_names_of_other_providers():
    assert read_usage({"prompt_token_count": 4, "candidates_token_count": 2, "total_token_count": 6}) == Usage(
        input_tokens=4, output_tokens=2, total_tokens=6
    )
    assert read_usage({"input_tokens": 4, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1}) == Usage(
        input_tokens=4, cache_read_tokens=2, cache_write_tokens=1
    )


def test_nothing_is_invented():
    assert read_usage({"prompt_tokens": 0}) == Usage(input_tokens=0, output_tokens=None, total_tokens=None)


@pytest.mark.parametrize("count", [None, True, 5.0, "5", -1, {}, []], ids=repr)
def test_what_is_no_count(count):
    assert read_usage({"prompt_tokens": count}) is None
    assert read_usage({"prompt_tokens": count, "completion_tokens": 3}) == Usage(output_tokens=3)
    assert read_usage({"input_tokens": count, "prompt_tokens": 3}) == Usage(input_tokens=3)


@pytest.mark.parametrize("tree", [None, 5, "usage", [], {}, {"prompt_tokens_details": 7}, {"cost": 3}], ids=repr)
def test_what_is_no_usage(tree):
    assert read_usage(tree) is None
