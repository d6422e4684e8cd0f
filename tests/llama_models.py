"""Models, tools and an index of LlamaIndex for tests: its own mocks, and models that answer as they are told."""

from __future__ import annotations

from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import ChatMessage, ChatResponse, CompletionResponse, CustomLLM, LLMMetadata, MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.node_parser import TokenTextSplitter

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
TEXTS = ("Socks keep feet warm.", "Hats keep heads warm.", "Gloves keep hands warm.")


def index(*, texts: tuple[str, ...] = TEXTS, **options: Any) -> VectorStoreIndex:
    """Build an index over a few short texts."""
    documents = [Document(text=text, id_=f"doc-{number}", metadata={"n": number}) for number, text in enumerate(texts)]
    return VectorStoreIndex.from_documents(
        documents, embed_model=MockEmbedding(embed_dim=8), transformations=[TokenTextSplitter()], **options
    )


def model(words: int = 3) -> MockLLM:
    """Return a model that says `text` so often."""
    return MockLLM(max_tokens=words)


def call(name: str, *, id_: str = "call-1", **arguments: Any) -> dict[str, Any]:
    """Return an answer that calls a tool."""
    return {"tool_id": id_, "tool_name": name, "tool_kwargs": arguments}


def _response(answer: Any) -> ChatResponse:
    raw = {"id": "answer-1", "model": "told-1", "usage": USAGE, "choices": [{"finish_reason": "stop"}]}
    if isinstance(answer, str):
        return ChatResponse(message=ChatMessage(role="assistant", content=answer), delta=answer, raw=raw)
    message = ChatMessage(role="assistant", content="", additional_kwargs={"tool_calls": [answer]})
    return ChatResponse(message=message, delta="", raw=raw)


class Told(FunctionCallingLLM):
    """A chat model that calls functions and gives the answers it was told, one after the other; an exception too."""

    model: str = "told"
    temperature: float = 0.5
    _answers: list[Any] = PrivateAttr(default_factory=list)

    def __init__(self, *answers: Any, **fields: Any) -> None:
        super().__init__(**fields)
        self._answers = list(answers)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="told", is_chat_model=True, is_function_calling_model=True)

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: Any = None, **_: Any
    ) -> dict[str, Any]:
        asked = [ChatMessage(role="user", content=user_msg)] if isinstance(user_msg, str) else []
        return {
            "messages": [*(chat_history or []), *asked],
            "tools": [tool.metadata.to_openai_tool() for tool in tools],
        }

    def get_tool_calls_from_response(self, response: Any, error_on_no_tool_call: bool = True, **_: Any) -> Any:
        calls = response.message.additional_kwargs.get("tool_calls", [])
        return [ToolSelection(**one) for one in calls]

    def _next(self) -> ChatResponse:
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return _response(answer)

    @llm_chat_callback()
    def chat(self, messages: Any, **_: Any) -> ChatResponse:
        return self._next()

    @llm_chat_callback()
    async def achat(self, messages: Any, **_: Any) -> ChatResponse:
        return self.chat(messages)  # a fallback to the plain call, as many models have it

    @llm_chat_callback()
    def stream_chat(self, messages: Any, **_: Any) -> Any:
        def pieces() -> Any:
            whole = self._next()
            text = whole.message.content or ""
            for end in range(1, len(text)):
                yield ChatResponse(message=ChatMessage(role="assistant", content=text[:end]), delta=text[end - 1 : end])
            yield whole.model_copy(update={"delta": text[-1:]})

        return pieces()

    @llm_chat_callback()
    async def astream_chat(self, messages: Any, **_: Any) -> Any:
        async def pieces() -> Any:
            for one in self.stream_chat(messages):
                yield one

        return pieces()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        response = self._next()
        return CompletionResponse(text=response.message.content or "", raw=response.raw)

    async def acomplete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return self.complete(prompt, formatted=formatted)

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        raise NotImplementedError

    async def astream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        raise NotImplementedError


class Silent(CustomLLM):
    """A model whose methods are not decorated, so that no event tells of its answers."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="silent")

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text="quiet")

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        def pieces() -> Any:
            yield CompletionResponse(text="qu", delta="qu")
            yield CompletionResponse(text="quiet", delta="iet")

        return pieces()
