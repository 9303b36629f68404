"""Judges' replies by scale and by what they amount to: forms of verdicts, and verdicts that contradict each other."""

REPLIES = [
    ("PAIR", "unparsable", [
        '[[A]]\nVerdict: B', '[[A]]\n\n**B**', '[[A]]\n(B)', '[[A]]\nB', '[[A]]\nB.', '[[A]]\n\nFinal verdict: B',
        '[[A]]\n\nMy verdict is B.', '[[A]]\n**Verdict:** B', '[[A]]\n`B`', '[[A]]\n"B"', '[[A]]\ntie', '[[A]]\nTie',
        '[[A]]\n\nVerdict: tie', '[[A]]\n[B]', '[[A]]\n\\boxed{B}', '[[A]]\nAnswer: B', '[[A]]\nAssistant B',
        '[[A]]\nWinner: B', '[[A]]\nThe winner is B', '[[A]]\n# B', '[[A]]\n- B', '[[A]]\n*B*',
        '[[A]]\n\n{"verdict": "B"}', '[[A]]\n\n[B].', '[[B]]\n\n**A**', '[[A]]\nFinal answer: **B**', '[[A]]\n***B***',
        '[[A]]\nFinal Verdict: [B]', '[[A]]\nVerdict: Assistant B', '[[A]]\nVerdict: C', '[[A]]\n\n(b)', '[[A]]\nb',
        '[[A]]\nverdict: b', '[[A]]\nVERDICT: B!', '[[A]]\n**Final Verdict: B**', '[[A]]\nVerdict - B',
        '[[A]]\nVerdict → B', '[[A]]\nResponse B', '[[A]]\nChoice: B', '[[A]]\nPreference: B',
    ]),
    ("PAIR", 1.0, [
        '[[A]]\nA', '[[A]]\nVerdict: A', '[[A]]\n\n**A**', '[[A]]\n(A)', '[[A]]\na', '[[A]]\nThank you.',
        '[[A]]\nI hope this helps.', 'B is shorter.\n[[A]]', '[[A]]', '[[A]]\n---', '[[A]]\n\n```', 'Verdict: [[A]]',
        '**Verdict: [[A]]**', 'A', 'A.', '(A)', '**A**', '[A]', '"A"', '`A`', '[[A]].', 'Verdict: A',
        'Final verdict: A', '**Final Verdict:** A', 'The verdict is A.', 'Answer: A', 'Verdict: **A**', '\\boxed{A}',
        '[[A]]\nAssistant A is better because B is wrong.', '[[A]]\nVerdict: [[A]]', '[[ A ]]', '[[A]]\n<|im_end|>',
        'Assistant A', 'Winner: A', '<verdict>A</verdict>', '[["A"]]', '[[Assistant A]]', '[[**A**]]', '**[[A]]**',
        '[[A]]**', '\\[\\[A\\]\\]',
    ]),
    ("PAIR", 1.0, [
        '{"verdict":"A."}', '{"verdict": "[[A]]"}', "{'verdict': 'A'}", '{"verdict": "(A)"}', '{"verdict": "**A**"}',
        '{"verdict": "A\\n"}', '{verdict: "A"}', '{\'reason\': "it\'s fine", \'verdict\': \'A\'}',
        '{"reason": "x", "verdict": "A",}', '```json\n{"verdict": "A"}\n```\nDone.',
        '```json\n{\n  "reason": "x",\n  "verdict": "A"\n}\n```', '{"verdict": "Assistant A"}', '{"verdict": "a."}',
        '{“verdict”: “A”}', '{"verdict":"\\"A\\""}', '{"verdict": "`A`"}', '{"verdict": "[A]"}', '{"verdict": "A!"}',
        "{'verdict': '[[A]]'}", '{\'verdict\': "A"}', '{"verdict": "A"}', '{"Verdict": "A."}', '{"verdict" : "A" }',
        '{\n"verdict": "A"\n}\n', 'json\n{"verdict": "A"}', 'Verdict: {"verdict": "A"}',
        '{"reason": "line one\nline two", "verdict": "A"}', '{"reason": "he said \\"B\\"", "verdict": "A"}',
        '{"reason": "uses \\(x\\)", "verdict": "A"}', '<think>B</think>{"verdict": "A"}', '[{"verdict": "A"}]',
        '{"verdict": "A", "reason": None}', "{'verdict': 'A', 'ok': True}", '{"reason": "x", "verdict": "A"}}',
        '{{"reason": "x", "verdict": "A"}}', '**{"verdict": "A"}**', '`{"verdict": "A"}`', '"verdict": "A"',
        'verdict: A', 'verdict: "A"', '{"verdict": A}', '{"reason": "it\'s better", "verdict": "A"}',
    ]),
    ("PAIR", "unparsable", [
        '{"verdict": "C"}', '{"verdict": "A or B"}', '{"verdict": "A, B"}', '{"verdict": ""}', '{"verdict": null}',
        '{"verdict": "[[A]] [[B]]"}', '{"verdict": "not A"}', "{'verdict': 'A', 'verdict': 'B'}",
        "{'verdict': __import__('os')}",
    ]),
    ("GRADE", 0.85, [
        '{"score": "85."}', "{'score': 85}", "{'score': '85'}", '{"score": "[[85]]"}', '{"score": "85 / 100"}',
        '{"score": 85,}', '{"score": "**85**"}', '{"score": "85%"}', '{"score": "(85)"}', '{"score": 85.0}',
        '{score: 85}', '[[85]]\nScore: 85', '[[85]]\n**85**', '[[85]]\n85/100', 'Score: 85', '**Score:** 85/100',
        'Score: **85**', 'Rating: [[85]]', '[[85/100]]', '[[85.]]', '[[ 85 ]]', '[[85]]\n(85)',
    ]),
    ("GRADE", "unparsable", [
        '[[85]]\nScore: 58', '[[85]]\n**58**', '[[85]]\n(58)', '[[85]]\n58', '[[85]]\n58/100', '{"score": "85-90"}',
        '{"score": "about 85"}', '[[85]]\nFinal score: 58', '[[85]]\nRating: 8',
    ]),
    ("TEN", 7 / 9, [
        '[[8]]\nRating: 8', 'Rating: [[8]]', '[[8]]', '[[8]]\n2 points off for style.', '8', '[[8/10]]',
    ]),
    ("TEN", "unparsable", [
        '[[8]]\nRating: 7', '[[8]]\n7/10', '[[8]]\n**7**',
    ]),
    ("FIVE_WAYS", 0.75, [
        '[[A>B]]', 'My final verdict is: [[A>B]]', '[[A>B]]\nA>B', '[[A > B]]', '**[[A>B]]**',
    ]),
    ("FIVE_WAYS", "unparsable", [
        '[[A>B]]\nB>A', '[[A>B]]\n**B>>A**', '[[A>B]]\nFinal verdict: B>A',
    ]),
    ("PAIR", 1.0, [
        '**A**\nIs good.\n\n**B**\nIs bad.\n\n[[A]]', 'Assistant A\nfine\nAssistant B\nbetter\n\n[[A]]',
        '[[A]]\n- A: 8\n- B: 7', '[[A]]\nVerdict:', 'Winner: A\n[[A]]', '(A)\nlong\n(B)\nshort\nVerdict: [[A]]',
        '[[A]]\nB is longer.', '[[A]]\n1.', '> B\n[[A]]',
    ]),
    ("PAIR", "unparsable", [
        'Verdict: B\n[[A]]', '{"verdict": "A"}\nVerdict: B', '{"verdict": "A"}\n**B**', '[[B]]\n{"verdict": "A"}',
        'The winner is A.\nVerdict: [[B]]', 'A\nB', 'Verdict: A\nVerdict: B', "{'verdict': 'A', 'Verdict': 'B'}",
        'I pick A',
    ]),
    ("GRADE", 0.85, [
        'Score: 20\nScore: 65\n\n[[85]]', '[[85]]\n- Helpfulness: 7', '[[85]]\nScore breakdown: 40 + 45',
        "{'reason': 'it is {so}', 'score': 85}",
    ]),
]  # fmt: skip
