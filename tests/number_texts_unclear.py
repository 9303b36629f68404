"""Texts that correct their number, that say more of it, and those of which nobody can say which number they claim."""

CORRECTED = {
    "6": [
        "The answer is 5. Wait, no, it is 6.", "The answer is 5. Wait, no, 6.", "The answer is 5. Correction: 6.",
        "The answer is 5. Actually, it should be 6.", "\\boxed{5}. Hmm, that's wrong. It is 6.",
        "#### 5\n\nActually, 6.",
        "The answer is 5.\n\nOops, I misread the problem. The answer is 6.", "Answer: 5\nEdit: 6",
        "The answer is 5. I'm sorry, that's wrong, it should be 6 apples.", "Answer: 5 (correction: 6)",
        "The answer is 5. Wait, I forgot the last one. So it is 6.", "The answer is 5. Let me recalculate: 3 + 3 = 6.",
        "The answer is 5. Sorry, I meant 6.", "The answer is 5. I mean 6.", "The answer is 5. Scratch that, 6.",
        "The answer is 5, no, 6.", "The answer is 5. No wait, 6!", "The answer is 5. My mistake: 6.",
        "5 is the answer. No, 6.", "The answer is 5. Hmm, wait: the total should be 6.",
        "\\boxed{5}\n\nWait. \\boxed{6}",
        "The answer is 5. No, that is wrong. The correct answer is 6.", "Die Antwort ist 5. Moment, es ist 6.",
        "La respuesta es 5. Perdón, es 6.", "答案是5。不对，是6。",
    ],
    "5": [
        "The answer is 5. Let me double check: 2 + 3 = 5. Correct.", "The answer is 5. Hmm, 5 it is.",
        "The answer is 5. Sorry if this took long, I had 3 tries.", "The answer is 5. Actually there were 3 at first.",
        "The answer is 5.\n\nQuestion: wait, how many is 6?\nThe answer is 7.", "#### 5\n\nProblem: 3 + 3\n#### 6",
        "The answer is 5. No problem! I tried 3 ways.", "The answer is 5, not 6.", "Answer 1: 5",
    ],
}  # fmt: skip

SAID_OF = {
    "12": [
        "She has 12 left, 3 of which are red.", "She has 12 marbles (5 of them red).",
        "There are 12, 4 of them chocolate.",
        "There are 12 cookies left, of which 4 are chocolate.", "There are 12 cookies, with 4 of them chocolate.",
        "So there are 12 students, including 8 girls.", "So she has 12, which is 3 more than 9.",
        "He has 12, which is twice as many as 6.", "He has 12, 3 more than Bob's 9.",
        "They sold 12 tickets over 3 days.",
        "There are 12 pencils left in 2 boxes.", "Total cost: $12 for 3 people.", "He will have $12 after 3 weeks.",
        "So 12 apples remain, down from 20.", "So 12 apples remain from the original 20.",
        "She can bake 12 cakes from 3 eggs.",
        "In 4 months he saved $12.", "Answer: (a) 12", "The answer is |-12|.", "The answer is |3 - 15|.",
        "11 and 2/2 = 12",
        "The answer is \\left|-12\\right|", "The answer is 12 hours or 720 minutes.", "The answer is 12 or 12.0.",
        "Janet has 12 in total after 3 days, 5 of which are green", "12 is 20% of 60.",
        "There are 12 cats, i.e., 20% of 60.",
        "They cost $12, $2 each.", "They cost $12 ($2 each).", "They cost $12 at $2 each.", "12 is half of 24.",
        "It takes 12 hours at a speed of 5 mph", "The train travels 12 miles in 5 hours at 60 mph.",
        "The answer is 12 or so.", "The answer is 12 as of 2024-01-05", "The answer is 12 dozen.",
    ],
    "4": ["Of the 12 cookies, 4 of them are chocolate.", "He finished the 45 pages in 4 days.", "4 of 12 are left."],
    "5.5": [
        "The answer is 5 and 1/2.", "5 and 1/2", "The answer is 5 and a half hours.", "5 and one half",
        "The answer is 5,50 €",
        "Die Antwort ist 5,50 Euro.", "The answer is $5,50.",
    ],
    "1234.5": ["The answer is 1.234,50 €", "The answer is 1 234,50 €", "The answer is $1,234.50"],
}  # fmt: skip

UNCLEAR = [
    "The answer is 5 or 7", "The answer is 5 or 6.", "The answer is either 5 or 7.", "5 or 7", "The answer is 5 and 7.",
    "The answer is between 5 and 7.", "The answer is about 3 or 4 hours", "The answer is 3 to 5", "The answer is 5-7.",
    "The answers are 5 and 7.", "The answer is 5, 7", "\\boxed{5 \\text{ or } 7}", "\\boxed{5, 7}", "#### 5 or 7",
    "Answer 1: 5\nAnswer 2: 7", "**Answer 1:** 5\n**Answer 2:** 7", "Answer #1: 5\nAnswer #2: 7", "Answer: (3) 12",
    "Answer: (1) 12 (2) 13", "The answer is 1,5", "1,5", "$1,2345", "The answer is 3,14", "The answer is 1,000,5",
    "The answer is 12/05/2020.", "The answer is 2024-01-05.", "The answer is 18 to 20", "So he needs 3 or 4 boxes.",
]  # fmt: skip
