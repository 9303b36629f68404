"""Texts that answer with D, by language, and texts that answer with several letters, none, or one too many."""

EN = [
    "Answer: It is not B, the answer is D", "Answer: rules out C, leaving D", "ANSWER IS D. A is incorrect.",
    "\\boxed{D}", "\\boxed{\\text{D}}", "\\boxed{\\mathrm{D}}", "\\boxed{D. Paris}", "\\boxed{D) Paris}",
    "\\boxed{\\textbf{(D)}}", "\\boxed{\\textbf{D}}", "\\boxed{\\text{(D)}}", "\\boxed{\\text{Answer: D}}",
    "The correct answer is **D**.", "The correct answer is: D) Paris", "The correct answer is (D).",
    "The correct option is D.", "Correct answer: D", "**Answer:** D", "**Answer:**\nD", "**Answer:**\n\n**D**",
    "### Answer\n\nD. Paris", "### Answer: D", "Final answer: $\\boxed{D}$", "Final Answer: D", "Final answer - D",
    "The answer is therefore D.", "The answer is clearly D.", "The answer is option D.", "The answer is letter D",
    "The best answer is D", "The right choice is D", "So the answer must be D", "I would answer D.", "D is correct.",
    "D is the correct answer.", "Therefore, D is the correct answer.", "Therefore, option D is the correct answer.",
    "The correct answer is D, since A, B and C are wrong.", "A is wrong. B is wrong. C is wrong. D is right.",
    "A) is wrong, B) is wrong, C) is wrong. So D) is right.", "Options A, B, C can be excluded, thus D",
    "(A) is false because ... (B) is false. (C) is false. (D) is true. So (D).", "Thus, D.", "Thus the answer:\n\nD",
    "Ｄ", "D：Paris", "[D]", "<answer>D</answer>", "<answer> D </answer>",
    "<answer>\nD\n</answer>", '{"answer": "D"}',
    "```\nD\n```", "`D`", "Answer: `D`", "Answer: <D>", "Answer: $D$", "Answer: \\(D\\)", "The answer is $\\text{D}$",
    "The answer is \\textbf{D}", "The answer is __D__", 'The answer is "D".', "The answer is “D”.",
    "The answer is 'D'.", "The answer is “D. Paris”", "The answer is D: Paris.", "The answer is:\n\nD: Paris",
    "Answer: D\n\nExplanation: Option A is wrong since ... Option C too. The answer is not B.",
    "D\n\nA would be wrong as a vitamin A lack causes blindness. The answer is not C.",
    "D\n\nExplanation: (A) is wrong.", "The answer isn't A; it's D", "The answer is not A but D.",
    "It cannot be A. The answer is D, not B.", "The answer is D (not B).", "The answer is either A or D. I choose D.",
    "d", "d.", "(d)", "d) Paris", "the answer is d", "The answer is (d).", "The answer is a good one, namely D",
    "**D**. Paris", "**D. Paris**", "**D) Paris**", "- D", "Option D: Paris", "> D", "1. D", "Answer is D", "Ans: D",
    "ans. D", "A:D", "D<|im_end|>", "D</s>", "The answer is (D).", "The answer is D) Paris.", "**D**",
    "Answer: **D) Paris**", "**Correct answer: D**", "The correct choice is therefore (D).", "My answer is D.",
    "I'll go with D.", "I would choose option D.", "D\n", "(D)\n\nBecause", "Option D is correct.",
    "Choice D is the best answer.", "The best option is D", "Answer D", "answer=D", "Answer -> D", "The answer is: D",
    "The answer is:\nD", "The answer is\n\nD", "Selected: D\nAnswer: D", "[[D]]", "{D}", "<<D>>", '"D"', "'D'", "D;",
    "Final Answer: (D)", "**Final Answer:** D", "### Final Answer\n\n**D**", "The final answer is $\\boxed{D}$.",
    "\\boxed{(D)}", "$\\boxed{\\textbf{(D)}\\ 12}$", "\\boxed{D: Paris}", "\\boxed{\\text{D. Paris}}",
    '{"answer":"D","reason":"A is wrong"}', '{"reason": "B is out", "answer": "D"}', '```json\n{"answer": "D"}\n```',
    "<answer>(D)</answer>", "<answer>D. Paris</answer>", "<final_answer>D</final_answer>",
    "Let me think.\n<answer>D</answer>", "Among the options, D fits.\n\nAnswer: D",
    "A and B are incorrect. C is incorrect as well. D is correct.",
    "It can't be A, B, or C, so the answer must be D.", "Only D is correct.", "The answer cannot be A, so it is D.",
    "D is the only correct option.", "Thus the correct option is D: Paris.", "The correct answer is indeed D.",
    "I am confident the answer is D", "So, the answer is (D) Paris.", "Hence, option D.",
    "Therefore the answer is choice (D)", "the correct answer: d", "Correct Option: D", "Answer: option D",
    "Answer (D)", "Answer: Option (D) Paris", "The answer should be D.", "The answer will be D",
    "the answer would then be D", "The answer I choose is D", "The most accurate answer is D.", "Based on this, D.",
    "The correct answer is\n\n**D. Paris**", "The answer is D\n\nA: wrong\nB: wrong", "D - Paris", "D – Paris",
    "D—Paris", "D: because", "D because Paris is the capital", "Sure! The answer is D.", "Of course. D.",
    "Step 1: ... Step 2: ... Answer: D", "Answer: D.\nExplanation: A is a city, B is a river.",
    "1) A is wrong\n2) B is wrong\n3) D is right", "A: 0.1\nB: 0.2\nC: 0.1\nD: 0.6\nAnswer: D", "Ⓓ", "𝐃", "Ｄ．",
    "（Ｄ）",
    "Answer：Ｄ", "**Answer**: D", "__Answer__: D", "*Answer*: *D*", "Answer:D", "ANSWER: D", "Answer is: (D)",
    "ans: d", "The correct answer is letter D.", "The answer is given by D.", "the answer is obviously D!",
    "I think the correct answer is D, but I am not sure.", "The answer is A. Wait, no, the answer is D.",
    "The answer is A... Actually, it's D.", "I first thought A, but the answer is D",
    "Initially I said A. The correct answer is D.", "Answer: A? No. Answer: D", "Final answer: D (not A)",
    "The answer is not A. The answer is not B. The answer is not C. The answer is D.",
    "The answer isn't B or C. It is D.", "Neither A nor B. D.", "Eliminating A, B and C, we get D.",
    "We rule out A and B. Therefore D.",
]  # fmt: skip

ZH = [
    "答案是D", "答案：D", "答案为 D。", "正确答案是（D）。", "正确选项是D。", "故选D。", "选D", "D。巴黎",
    "正确答案：D", "答案选D", "应选D", "故答案为D", "所以选D",
    "我选择D", "选择D。", "D选项正确", "D是正确答案", "本题选D", "因此，答案是（D）", "正确答案为：**D**",
    "答案应该是 D", "答：D", "选项D是正确的", "选D，因为A和B都错了",
    "A错误，B错误，C错误，D正确", "综上，选D", "正確答案是D", "答案不是A，而是D", "答案是D。A选项是错的。",
    "正确的选项是D", "最佳答案是D", "因此正确答案是选项D。", "回答：D",
]  # fmt: skip

JA = [
    "正解はDです。", "答えはDです", "答え：D", "正解：（D）", "Dが正解です", "したがって、正解はDである",
    "正しい答えはDです。", "答えはAではなくDです", "Dを選びます",
    "選択肢Dが正しい", "正解は「D」です。",
]  # fmt: skip

KO = [
    "정답은 D입니다.", "정답: D", "답은 D입니다", "D가 정답입니다", "정답은 D번입니다",
    "따라서 정답은 (D)입니다.", "답: D", "정답은 A가 아니라 D입니다",
    "D를 선택합니다", "올바른 답은 D입니다.",
]  # fmt: skip

ES = [
    "La respuesta correcta es D.", "La respuesta es: D", "La respuesta es la D.", "Respuesta: D",
    "La opción correcta es la D", "La respuesta correcta es la opción D.", "Respuesta correcta: D)",
    "D es la respuesta correcta.", "La respuesta no es A, sino D.", "Por lo tanto, la respuesta es D",
    "La correcta es la D", "La respuesta correcta es la letra d)", "Elijo la opción D.", "Opción D",
]  # fmt: skip

PT = [
    "A resposta correta é D.", "A resposta é a letra D.", "Resposta: D", "A alternativa correta é a D",
    "A opção correta é D", "Portanto, a resposta é (D).", "Letra D", "Gabarito: D", "D é a resposta correta.",
    "A resposta certa é a D.", "Alternativa D", "A resposta não é A, mas D.",
]  # fmt: skip

DE = [
    "Die richtige Antwort ist D.", "Antwort: D", "Die Antwort lautet D.", "Richtig ist D.", "Antwort D ist richtig.",
    "D ist richtig.", "D ist die richtige Antwort.", "Die korrekte Antwort ist (D).", "Lösung: D",
    "Die richtige Option ist D.", "Die Antwort ist nicht A, sondern D.", "Daher ist die Antwort D.",
    "Richtige Antwort: D", "Ich wähle D.",
]  # fmt: skip

FR = [
    "La réponse est D.", "Réponse : D", "La bonne réponse est D.", "La réponse est la D",
    "La réponse correcte est D.", "La bonne réponse est la lettre D.", "C'est D.",
    "La réponse correcte est l'option D.", "D est la bonne réponse.", "Donc, la réponse est D.",
    "La réponse n'est pas A mais D.", "Je choisis D.", "Réponse D",
]  # fmt: skip

IT = [
    "La risposta corretta è D.", "La risposta è la D.", "Risposta: D", "L'opzione corretta è D",
    "D è la risposta corretta.", "La risposta giusta è la lettera D.", "Quindi la risposta è D.",
    "La risposta esatta è D", "La risposta non è A ma D.", "Opzione D",
]  # fmt: skip

PL = [
    "Poprawna odpowiedź to D.", "Odpowiedź: D", "Prawidłowa odpowiedź to D", "Poprawną odpowiedzią jest D.",
    "Odpowiedź D jest poprawna.", "D jest poprawną odpowiedzią.", "Odpowiedź brzmi: D", "Właściwa odpowiedź to (D).",
    "Odp. D", "Odpowiedź to nie A, lecz D.",
]  # fmt: skip

RU = [
    "Ответ: D", "Правильный ответ — D.", "Правильный ответ: D", "Ответ — это D.", "Верный ответ: D)",
    "Правильным ответом является D.", "Правильный вариант — D", "D — правильный ответ.", "Ответ: (D).",
    "Таким образом, правильный ответ — D.", "Вариант D", "Ответ: не A, а D.",
]  # fmt: skip

AR = [
    "الإجابة هي D", "الإجابة الصحيحة هي D.", "الجواب: D", "الجواب الصحيح هو D", "الإجابة: (D)", "الخيار الصحيح هو D",
    "D هي الإجابة الصحيحة", "لذلك، الإجابة هي D", "الإجابة الصحيحة هي الخيار D", "الإجابة: د",
]  # fmt: skip

SW = [
    "Jibu sahihi ni D.", "Jibu ni D", "Jibu: D", "Jibu sahihi ni (D)", "D ndilo jibu sahihi.", "Chaguo sahihi ni D",
    "Kwa hiyo, jibu ni D.", "D ni jibu sahihi", "Jibu la swali ni D",
]  # fmt: skip

HI = [
    "सही उत्तर D है।", "उत्तर: D", "सही उत्तर है: D", "उत्तर D है", "सही विकल्प D है।", "जवाब D है",
    "D सही उत्तर है।", "सही उत्तर (D) है", "विकल्प D सही है", "अतः सही उत्तर D है।", "सही जवाब है D",
]  # fmt: skip

LANGUAGES = {
    "EN": EN,
    "ZH": ZH,
    "JA": JA,
    "KO": KO,
    "ES": ES,
    "PT": PT,
    "DE": DE,
    "FR": FR,
    "IT": IT,
    "PL": PL,
    "RU": RU,
    "AR": AR,
    "SW": SW,
    "HI": HI,
}

NONE = [
    "Answer: A or D", "The answer could be A or D.", "Either A or D", "A/D", "Answer: A & D",
    "The answer is A. The answer is D.", "Answer: A\nAnswer: D", "I don't know.", "None", "All of the above",
    "I cannot determine the answer.", "A lot of people think so.", "I am not sure.", "Both (A) and (D)", "A, B, C",
    "(A), (D)", "The answer is unclear", "A oder D", "A o D", "A和D", "AとD", "A и D", "A et D", "答案是A和D",
    "Die Antwort ist A oder D", "La respuesta es A o D", "", "?", "The answer is neither A nor B",
    "It could be A. It could be D.", "ANSWER: None of the above", "ANSWER: Don't know", "ANSWER: I don't know",
    "Both A and D are true.", "A and D", "A, D", "Paris",
]  # fmt: skip

BEYOND = [
    "The answer is E.", "E", "(E)", "E. None of the above", "\\boxed{F}", "答案是E", "Answer: E) Other",
    "<answer>E</answer>",
]  # fmt: skip
