"""What the made voices say: GRID's own sentences, everyday sentences, and rows of dictionary words.

The everyday sentences are the IEEE "Harvard" list style (1969, balanced for phones) and a few written for lips:
many p, b, m, f, v, w, sh and oo. The rows of words bring the phones and neighbourhoods no short list has.
"""

from __future__ import annotations

import numpy as np

from training.speech.phones import dictionary

SENTENCES = """
The birch canoe slid on the smooth planks.
Glue the sheet to the dark blue background.
It is easy to tell the depth of a well.
These days a chicken leg is a rare dish.
Rice is often served in round bowls.
The juice of lemons makes fine punch.
The box was thrown beside the parked truck.
Four hours of steady work faced us.
A large size in stockings is hard to sell.
The boy was there when the sun rose.
A rod is used to catch pink salmon.
The source of the huge river is the clear spring.
Kick the ball straight and follow through.
Help the woman get back to her feet.
A pot of tea helps to pass the evening.
Smoky fires lack flame and heat.
The soft cushion broke the fall.
The salt breeze came across from the sea.
The girl at the booth sold fifty bonds.
The small pup gnawed a hole in the sock.
The fish twisted and turned on the bent hook.
Press the pants and sew a button on the vest.
The swan dive was far short of perfect.
The beauty of the view stunned the young boy.
Two blue fish swam in the tank.
Her purse was full of useless trash.
The colt reared and threw the tall rider.
It snowed, rained, and hailed the same morning.
Read verse out loud for pleasure.
Hoist the load to your left shoulder.
Take the winding path to reach the lake.
Note closely the size of the gas tank.
Wipe the grease off his dirty face.
Mend the coat before you go out.
The wrist was badly strained and hung limp.
The stray cat gave birth to kittens.
The young girl gave no clear response.
The meal was cooked before the bell rang.
What joy there is in living.
A king ruled the state in the early days.
The ship was torn apart on the sharp reef.
Sickness kept him home the third week.
The wide road shimmered in the hot sun.
The lazy cow lay in the cool grass.
Lift the square stone over the fence.
The rope will bind the seven books at once.
Hop over the fence and plunge in.
The friendly gang left the drug store.
My mother and my brother bought a big map before breakfast.
Bob and Pam may both be back by Monday.
Five brave men move very heavy furniture.
We would rather walk through the wood with you.
Please show me how to push the blue shoe box.
Few people love the view above the valley.
You choose the music, and I will move the moon.
Maybe Mum will bake apple pie for Papa.
Who knew the new school would open so soon?
Have you ever heard of a fish without fins?
She should wash her shoes in the usual fashion.
Why would one want to wait for the white whale?
Good morning, everybody! Welcome back to our programme.
Thank you very much for coming, and have a wonderful evening.
Today I would like to show you something beautiful.
How are you? I am fine, thanks, but a bit hungry.
Oh no, I forgot my phone at home again!
Imagine a place where every voice can be heard.
Remember to bring paper, pens, and a map of Europe.
The problem with public transport is simply money.
Nobody moved until the music stopped.
I believe we can improve everything, step by step.
What do you mean, you do not know?
"""

LETTERS = "abcdefghijklmnopqrstuvxyz"  # GRID leaves w out
GRID_WORDS = (
    ("bin", "lay", "place", "set"),
    ("blue", "green", "red", "white"),
    ("at", "by", "in", "with"),
    tuple(LETTERS.upper()),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "now", "please", "soon"),
)


def everyday() -> list[str]:
    return SENTENCES.strip().splitlines()


def grid_sentence(rng: np.random.Generator) -> str:
    return " ".join(str(rng.choice(words)) for words in GRID_WORDS)


def word_row(rng: np.random.Generator, accent: str) -> str:
    """Seven to ten dictionary words in two or three phrases."""
    words = _plain_words(accent)
    picked = [words[int(i)] for i in rng.integers(len(words), size=int(rng.integers(7, 11)))]
    cut = int(rng.integers(3, len(picked) - 2))
    return " ".join(picked[:cut]) + ", " + " ".join(picked[cut:]) + "."


def _plain_words(accent: str) -> list[str]:
    return [w for w in dictionary(accent) if w.isalpha() and w.isascii() and w.islower() and 3 <= len(w) <= 9]
