from callspan.evaluation.subjects import Subject, expected_of, plain_text, subject_of
from judged_records import chat, message, record

TWO = [{"id": "a", "content": "Socks are red."}, {"content": "Shoes are blue."}]


def test_question_and_answer_of_a_chat():
    subject = subject_of(chat("What colour?", "Red."))
    assert (subject.question, subject.answer, subject.context) == ("What colour?", "Red.", "")
    assert subject_of(subject) is subject


def test_the_last_message_of_the_user_is_the_question():
    messages = [message("user", "Hi"), message("assistant", "Hello"), message("user", "And now?")]
    subject = Subject(record(input_messages=[*messages, {"role": "tool", "parts": []}]))
    assert subject.question == "And now?"


def test_records_without_messages():
    subject = Subject(record(kind="chain", input={"question": "Why?"}, output={"text": "So.", "n": 1}))
    assert (subject.question, subject.answer) == ("Why?", '{"text": "So.", "n": 1}')
    assert Subject(record(kind="retriever", query="socks", input={"a": 1, "b": 2})).question == "socks"
    assert Subject(record()).question == Subject(record()).answer == ""


def test_context_is_the_documents_of_the_span_or_of_its_trace():
    own = Subject(record(kind="retriever", documents=TWO))
    assert own.context == "[1] Socks are red.\n\n[2] Shoes are blue."
    retrieved = record(2, kind="retriever", documents=TWO)
    reranked = record(3, kind="reranker", documents=TWO[:1])
    around = Subject(chat("What colour?", "Red."), (retrieved, reranked, record(4, documents=[{"content": "no"}])))
    assert around.context == own.context


def test_context_without_documents_is_what_the_model_was_told():
    asked = record(
        system_instructions=[{"type": "text", "content": "Socks are red."}],
        input_messages=[message("user", "Shoes are blue."), message("user", "What colour?")],
    )
    assert Subject(asked).context == "Socks are red.\n\nShoes are blue."


def test_dialogue():
    first, second = chat("Hi", "Hello"), chat("Bye", "See you", 2)
    assert (
        Subject(second, turns=(first, second)).dialogue == "user: Hi\nassistant: Hello\nuser: Bye\nassistant: See you"
    )
    assert Subject(first).dialogue == "user: Hi\nassistant: Hello"


def test_where_the_right_answer_is_found():
    subject = Subject(chat("What colour?", "Red.", 7))
    assert expected_of("Blue.", subject) == "Blue."
    assert expected_of({"What colour?": "by question"}, subject) == "by question"
    assert expected_of({"0000000000000007": "by span", "What colour?": "by question"}, subject) == "by span"
    assert expected_of({f"{1:032x}": "by trace"}, subject) == "by trace"
    assert expected_of({}, subject) is None
    assert expected_of(None, subject) is None
    assert expected_of(lambda record: record.name, subject) == "call"


def test_plain_text():
    assert plain_text({"a": "text"}) == "text"
    assert plain_text({"a": ["ä"]}) == '["ä"]'
    assert plain_text(None) == ""
