"""Templates and variables: what a template's run tells, and the model calls it led to."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.runnables import RunnableLambda

import callspan
from langchain_chains import model


def test_all_messages_of_a_template_with_partial_variables_and_placeholders(spans):
    template = ChatPromptTemplate.from_messages(
        [("system", "You are {mood}."), MessagesPlaceholder("past"), ("human", "{question}")]
    ).partial(mood="kind")
    (template | model("Hello.")).invoke({"question": "Who?", "past": [HumanMessage("Before.")], "unused": 1})
    (use,) = spans.one("ChatPromptTemplate").prompts
    assert use.template == "system: You are {mood}.\n{past}\nuser: {question}"
    assert use.variables == {
        "mood": "kind",
        "question": "Who?",
        "past": [{"type": "human", "content": "Before."}],
    }
    assert use.name is None
    assert len(use.version) == 12
    assert spans.one("Model").prompts == [use]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_template_reaches_the_model_through_steps_in_between(spans, streamed):
    chain = (
        ChatPromptTemplate.from_template("Name a {thing}.") | (lambda value: value) | model("Socky") | StrOutputParser()
    )
    given = {"thing": "sock"}
    assert ("".join(chain.stream(given)) if streamed else chain.invoke(given)) == "Socky"
    (use,) = spans.one("Model").prompts
    assert (use.template, use.variables) == ("Name a {thing}.", {"thing": "sock"})


async def test_the_template_reaches_the_model_asynchronously(spans):
    await (ChatPromptTemplate.from_template("Name a {thing}.") | model("Socky")).ainvoke({"thing": "sock"})
    (use,) = spans.one("Model").prompts
    assert (use.template, use.variables) == ("Name a {thing}.", {"thing": "sock"})


def test_messages_are_recorded_as_they_were_though_a_step_changes_them(spans):
    def change(prompt):
        system, human = prompt.messages
        system.content, human.name = "Be rude.", "Ada"
        human.additional_kwargs["refusal"] = "No."
        prompt.messages.append(HumanMessage("More."))
        return prompt

    template = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
    (template | RunnableLambda(change) | model("Hello.")).invoke({"question": "Who?"})
    assert spans.one("ChatPromptTemplate").output == [
        {"type": "system", "content": "Be brief."},
        {"type": "human", "content": "Who?"},
    ]
    assert spans.one("Model").input_messages == [
        {"role": "system", "parts": [{"type": "text", "content": "Be rude."}]},
        {
            "role": "user",
            "name": "Ada",
            "parts": [{"type": "text", "content": "Who?"}, {"type": "refusal", "content": "No."}],
        },
        {"role": "user", "parts": [{"type": "text", "content": "More."}]},
    ]


def test_a_named_template_keeps_its_name(spans):
    (ChatPromptTemplate.from_template("Name a {thing}.").with_config(run_name="naming") | model("x")).invoke(
        {"thing": "s"}
    )
    assert spans.one("Model").prompts[0].name == "naming"


def test_a_template_from_the_hub_has_the_hubs_name_and_version(spans):
    about = {"lc_hub_owner": "ann", "lc_hub_repo": "naming", "lc_hub_commit_hash": "abc123"}
    template = ChatPromptTemplate.from_template("Name a {thing}.").with_config(metadata=about)
    (template | model("x")).invoke({"thing": "s"})
    (use,) = spans.one("Model").prompts
    assert (use.name, use.version) == ("ann/naming", "abc123")


def test_mustache(spans):
    template = ChatPromptTemplate.from_messages([("human", "Name a {{thing}}.")], template_format="mustache")
    (template | model("x")).invoke({"thing": "sock"})
    (use,) = spans.one("Model").prompts
    assert (use.template, use.variables) == ("Name a {{thing}}.", {"thing": "sock"})


def test_jinja2(spans):
    pytest.importorskip("jinja2")
    template = PromptTemplate.from_template("Name a {{ thing }}.", template_format="jinja2")
    (template | model("x")).invoke({"thing": "sock"})
    (use,) = spans.one("Model").prompts
    assert (use.template, use.variables) == ("Name a {{ thing }}.", {"thing": "sock"})


def test_a_template_of_one_text(spans):
    (PromptTemplate.from_template("Name a {thing}.") | model("x")).invoke("sock")  # its only variable
    told = spans.one("PromptTemplate")
    assert (told.input, told.output) == ("sock", "Name a sock.")
    (use,) = spans.one("Model").prompts
    assert (use.template, use.variables) == ("Name a {thing}.", {"thing": "sock"})


def test_a_template_with_pictures(spans):
    parts = [{"type": "text", "text": "Look at {what}:"}, {"type": "image_url", "image_url": {"url": "{link}"}}]
    template = ChatPromptTemplate.from_messages([HumanMessagePromptTemplate.from_template(parts)])
    (template | model("x")).invoke({"what": "this", "link": "https://example.org/cat.png"})
    (use,) = spans.one("Model").prompts
    assert use.template.startswith("Look at {what}:")
    assert use.variables == {"what": "this", "link": "https://example.org/cat.png"}


def test_a_template_of_another_kind_is_a_span_all_the_same(spans):
    shots = FewShotPromptTemplate(
        examples=[{"a": "1"}], example_prompt=PromptTemplate.from_template("{a}"), suffix="{b}", input_variables=["b"]
    )
    (shots | model("x")).invoke({"b": "2"})
    assert spans.one("FewShotPromptTemplate").output == "1\n\n2"


def test_a_template_that_was_formatted_outside_a_chain(spans):
    messages = ChatPromptTemplate.from_messages([("system", "Be {mood}."), ("human", "{question}")]).format_messages(
        mood="kind", question="Who?"
    )
    model("x").invoke(messages)
    text = PromptTemplate.from_template("Name a {thing}.").format(thing="sock")
    assert type(text) is str
    with callspan.span("by hand", kind="llm", input=text):
        pass
    (use,) = spans.one("Model").prompts
    assert use.template == "system: Be {mood}.\nuser: {question}"
    assert use.variables == {"mood": "kind", "question": "Who?"}
    (use,) = spans.one("by hand").prompts
    assert (use.template, use.variables) == ("Name a {thing}.", {"thing": "sock"})


async def test_a_template_that_was_formatted_asynchronously(spans):
    messages = await ChatPromptTemplate.from_template("Name a {thing}.").aformat_messages(thing="sock")
    model("x").invoke(messages)
    (use,) = spans.one("Model").prompts
    assert (use.template, use.variables) == ("Name a {thing}.", {"thing": "sock"})


def test_a_template_may_be_formatted_through_its_class_and_by_any_name(spans):
    template = PromptTemplate.from_template("Name a {_}.")
    assert PromptTemplate.format(self=template, _="sock") == template.format(_="sock") == "Name a sock."


def test_a_missing_variable_is_langchains_error(spans):
    with pytest.raises(KeyError, match="thing"):
        ChatPromptTemplate.from_template("Name a {thing}.").invoke({})
    assert spans.one("ChatPromptTemplate").outcome == "error"
