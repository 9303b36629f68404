"""Texts that answer with a number, by that number."""

NUMBERS = {
    "29": [
        "She pays $29.00.",
    ],
    "1234.5": [
        "the total cost is $1,234.50 in all.", "The answer is 1,234.50 dollars",
    ],
    "-3": [
        "The answer is minus 3.", "So it is negative 3 degrees.",
        "The change is -3 degrees.\n#### -3", "It fell to −3 degrees. The answer is −3.",
        "The answer is \\boxed{-3}.", "The temperature fell to −3 degrees. The answer is −3.", "answer: −3",
    ],
    "18": [
        "The answer is \\boxed{\\$18}.", "The answer is \\boxed{18\\text{ dollars}}.",
        "The answer is \\boxed{18 \\text{ eggs}}", "#### $18", "####18", "#### **18**", "#### 18 dollars",
        "#### Final Answer\n18", "**Answer: 18** (since 9 * 2 = 18)", "Answer: 9 * 2 = 18",
        "The answer is 9 x 2 = 18.", "The answer is 16 - 3 - 4 = 9; 9*2 = $18.",
        "Let me check step 2 again.\nThe final answer is $18 per day.\n\nIf you need 3 more examples, ask.",
        "So she makes $18 every day at the farmers' market. (See step 4 above.)",
        "#### 18\n\nQuestion: Tom has 5 apples.\nAnswer: 5\n#### 5", "答案是 18 元。", "The answer is ١٨",
        "The answer is １８", "The answer is 18,", "The answer is $\\frac{36}{2}$ which is 18", "#### 18.00",
        "It takes 2-3 days. The answer is 18", "Cost: 20-2 = 18", "5 + 13 =18", "loss of ($18)", "The answers are 18",
        "The correct answer would be 18 since 36/2", "Final Answer: The final answer is $18$. I hope it is correct.",
        "The answer is: **18**\n\nNote that 16 - 7 = 9.", "Answer:\n18",
        "**Answer:**\n\n18 dollars; that is, 2 dollars for each of 9 eggs", "<think>maybe 5</think>\n\n18",
        "She has 18 left. That's my answer!", "She has 18 left.\nThat's my answer, double-checked in 2 ways.",
        "18 is the answer.", "18 is the answer to question 3.", "The answer is 018", "Janet makes 18 dollars.",
        "#### 18/1", "#### ~18", "#### x = 18", "#### The answer is 18",
        "1. First we take 16 eggs\n2. Then 9 remain\n3. So $18\n", "The answer is €18.", "The answer is 18€",
        "Answer: x = 18", "Answer: 18 apples and 3 left over", "**Final Answer**: 18", "**Final Answer**\n\n18",
        "### Answer\n\\[ 18 \\]", "Therefore, the total is $18.", "Final answer: \\( 18 \\)",
        "The final answer is: $\\boxed{18}$", "#### 18 apples", "#### Step 1: 5\n#### Answer\n18",
        "#### 1. Compute\nthus 18", "18", "$18", "18%", "Answer: 5 + 13 = 18 apples",
        "The answer is 18 because 20 - 2 = 18.", "The answer is 18 (since 9 * 3 = 27 and 27 - 9 = 18)",
        "The answer is 18 since 9*2=18 and 9*3=27", "A: 18", "Respuesta: 18", "La respuesta es 18 euros.",
        "Die Antwort ist 18.", "Ответ: 18", "答え: 18", "정답은 18입니다", "答案：１８", "उत्तर: १८", "الإجابة هي ١٨",
        "Jibu ni 18.", "It's 18. That is my final answer after 2 checks.", "So the answer is 10 + 8 = 18 dollars.",
        "The answer is approximately 18.", "The answer is: 9*2=18", "Answer = 18",
        "In total, he needs 18 eggs", "= 18", "He has 18.", "Total: 18.00", "18.", "The result is 18", "\\boxed{18}",
        "\\boxed{\\frac{36}{2}}", "\\boxed{9 \\times 2 = 18}", "\\boxed{x=18}", "\\boxed{\\text{18 dollars}}",
        "\\boxed{18.0\\%}", "\\boxed{}\nThe answer is 18", "He ate 2. 18 is my final answer.",
        "So 18 eggs is the answer to question 3", "The answer is 2 times 9 = 18", "Question 2: how many? 18",
        "The answer to question 3 is 18.", "The answer for part 2 is 18", "The answer is 18/1", "Answer: $18/day",
        "Answer: 18/", "Step 3: 18", "Thus, 5 x 3 = 15\n15 + 3 = 18", "from 12 to 18",
        "Answer:\n\n**18**\n\nThis follows from 3 facts.",
        "The answer is $18$, since 3 + 15 = 18. I checked it 2 times.",
    ],
    "1234": [
        "Therefore: $\\boxed{1{,}234}$", "Therefore: $\\boxed{1\\,234}$", "Answer: 1 234", "#### 1,234",
        "La réponse est 1 234.",
    ],
    "18000000": [
        "The answer is about $18 million", "The answer is 18 million dollars.", "#### $18M",
    ],
    "1500": [
        "The answer is 1.5k.",
        "The answer is 1.5e3.", "The answer is $1.5 \\times 10^{3}$.", "The answer is 1.5 × 10^3",
    ],
    "20": [
        "The answer is 20%.",
    ],
    "0.5": [
        "The answer is ½.", "1⁄2 is the answer", "The answer is 1/2.",
        "The answer is \\frac{1}{2}", "The answer is \\(\\frac{1}{2}\\).",
    ],
    "1800": [
        "#### 1,800", "Answer: 1 800", "\\boxed{\\$1{,}800}", "\\boxed{1\\,800}", "\\boxed{1\\ 800}", "$1{,}800$",
    ],
    "-18": [
        "The answer is negative 18", "#### minus 18", "Total = $-18", "Total = -$18", "#### -18", "-18",
        "The answer is - 18", "She lost $18, so the answer is -$18",
    ],
    "3.5": [
        "The answer is 3 1/2.",
    ],
    "3": [
        "5 minus 2 is 3.", "5 minus 2 gives 3",
        "To find the answer we add 2 and 1, and get 3.",
    ],
    "1000": [
        "The answer is £1,000", "The answer is 1e3",
    ],
    "50": [
        "The answer is 50 percent.",
    ],
    "0.75": [
        "The answer is 3/4.",
    ],
    "2.5": [
        "It takes 2½ hours.", "#### 2½", "The answer is 2 1/2 hours",
    ],
    "18000": [
        "The answer is 18,000.",
    ],
    "100000": [
        "The answer is ₹1,00,000.",
    ],
    "1000000": [
        "10^6", "The answer is $10^{6}$.", "x = 10⁶",
    ],
    "5": [
        "The answer is 5 m²", "It is 5 MB.", "The area is 5 m^2.", "Each costs 3-5 dollars",
    ],
}  # fmt: skip
