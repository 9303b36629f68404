"""XQuAD's files and, as lm-evaluation-harness asks, each language's words for paragraph, question and answer."""

from collections.abc import Iterator
from pathlib import Path

from evalharness.benchmark import Prompt
from evalharness.data.rows import Files, Row, Want
from evalharness.records import Sample

from ._squad import rows_of_file

_WORDS = {
    "en": ("Context", "Question", "Answer"), "es": ("Contexto", "Pregunta", "Respuesta"),
    "ar": ("سيا", "سؤال", "إجابة"), "de": ("Kontext", "Frage", "Antwort"),
    "el": ("Συμφραζόμενα", "Ερώτηση", "Απάντηση"), "hi": ("प्रसंग", "सवाल", "उत्तर"),
    "ro": ("Context", "Întrebare", "Răspuns"), "ru": ("Контекст", "Вопрос", "Ответ"),
    "th": ("บริบท", "คำถาม", "คำตอบ"), "tr": ("Bağlam", "Soru", "Cevap"),
    "vi": ("Bối cảnh", "Câu hỏi", "Trả lời"), "zh": ("语境", "问题", "回答"),
}  # fmt: skip


def _prompt(context: str, question: str, answer: str) -> Prompt:
    def asks(asked: Sample) -> str:
        return f"{context}: {asked.extra['context']}\n\n{question}: {asked.question}\n\n{answer}:"

    return Prompt(question=asks, answer=lambda s: " " + s.answers[0])


PROMPTS = {language: _prompt(*words) for language, words in _WORDS.items()}


def files_of_language(language: str) -> Files:
    """Reads xquad.LANG.json, in SQuAD's nesting."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        file = path if path.is_file() else path / f"xquad.{language}.json"
        return rows_of_file(file) if file.suffix == ".json" and file.is_file() else None

    return Files(f"xquad.{language}.json of the authors", read)
