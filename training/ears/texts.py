"""What the made voices say, by language: everyday sentences, written for lips (many p, b, m, f, v, w and round vowels).

The English ones are of the IEEE "Harvard" list style (1969, balanced for phones). Japanese is in kana, which eSpeak reads.
"""

from __future__ import annotations

import numpy as np

SENTENCES = {
    "en": """
The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It is easy to tell the depth of a well.
These days a chicken leg is a rare dish. Rice is often served in round bowls. The juice of lemons makes fine punch.
The box was thrown beside the parked truck. Four hours of steady work faced us. A large size in stockings is hard to sell.
Help the woman get back to her feet. A pot of tea helps to pass the evening. Smoky fires lack flame and heat.
The soft cushion broke the man's fall. The salt breeze came across from the sea. The girl at the booth sold fifty bonds.
The small pup gnawed a hole in the sock. The fish twisted and turned on the bent hook. Press the pants and sew a button on the vest.
The beauty of the view stunned the young boy. Two blue fish swam in the tank. Her purse was full of useless trash.
Wipe the grease off his dirty face. Mend the coat before you go out. The ship was torn apart on the sharp reef.
Maybe my mother bought some more bread for Bob and Pam. Five very brave people have moved far above the valley.
We would move the wooden furniture when you choose the shoes. Please push the purple boat from the beach to the pier.
Both brothers think that this path is thinner than the other. Even Phoebe favours coffee before a movie.
Who would believe the population problem could be improved by machines? Number my mistakes and remember the examples.
Put the butter cup above the oven, then wash your mouth with warm water. Shoot the loose moose, whispered the youth.
""",
    "cmn": """
妈妈买了八个苹果和一把木椅子。 爸爸不怕冒险,他跑步去北京。 明天我们朋友要去百货公司买面包。 请把门边的包裹搬到外面。
飞机非常快地飞过福建。 风吹过房子旁边的花朵。 我们的问题没有那么麻烦。 他喜欢喝牛奶,不喜欢喝咖啡。
绿色的鱼在湖里游来游去。 下雨的时候女孩去学校学习语言。 我觉得这本书很有意思。 春天来了,树上的鸟儿唱歌。
每个人都必须保护美丽的地球。 妹妹的白帽子放在木板上。 欢迎来到我们美丽的学校,请随便坐。 你好,今天天气怎么样?
马路旁边有一棵很大的苹果树。 普通话比方言容易明白。 老师问我们为什么迟到。 奶奶煮了一锅米饭和五块肉。
""",
    "ja": """
まいにちぼくはともだちとばすでまちへいきます。 ふゆになると、ふじさんはゆきでまっしろになります。 みなさん、おはようございます。
ぱんとばたーをもってきてください。 むすめはぴあのをひくのがすきです。 びょういんのまえでばすをまっています。
おばあさんはももをみっつたべました。 わたしのなまえはまりこです。 ぼくのぼうしはとてもべんりです。
うみでおよぐのはたのしいです。 つぎのどようびにえいがをみましょう。 ふるいほんやでめずらしいほんをみつけました。
もういちどゆっくりはなしてください。 あめがふっているので、かさをもっていきます。 びじゅつかんはこうえんのそばにあります。
""",
    "es": """
Mi mamá prepara pan con mantequilla para mi papá. El bebé bebe mucha agua bajo el puente blanco. Muchos barcos pequeños pasan por la bahía.
Una buena película empieza a las nueve y media. La familia Fernández fue a la fiesta con flores frescas. Bebimos vino blanco bajo el balcón.
Pablo busca un libro sobre la vida en el campo. Tu hermano compró un burro muy bonito. Mañana vamos a comprar zapatos nuevos.
El profesor explica el problema una vez más. Quiero un poco de sopa, por favor. Llueve mucho en el norte durante el invierno.
¿Cuándo empezamos a trabajar juntos? Los perros corren por el bosque verde. Me gusta la música moderna y el baile.
""",
    "fr": """
Ma maman prépare une bonne soupe pour mon papa. Le bébé boit beaucoup d'eau sur le bateau bleu. Vous avez vu un film formidable vendredi.
Une petite pluie tombe sur le pont du village. Je voudrais du beurre, de la purée et deux œufs. La lune brille au-dessus de la rue obscure.
Mon frère et ma sœur veulent jouer au football. Il faut fermer la fenêtre avant le vent. Tu as perdu ton parapluie dans la voiture.
Bonjour monsieur, pouvez-vous me montrer le chemin? Les chevaux boivent au bord du fleuve. Beaucoup de personnes aiment la bonne musique.
Un homme heureux chante sous la pluie. Nous avons mangé des pommes et bu du vin. Le professeur explique le problème une fois de plus.
""",
}
# Kept out of training: what is read to measure the languages.
HELD_OUT = {
    "cmn": "我们每天早上八点半骑自行车上班。 她把苹果和面包放在木桌上,然后去买报纸。 屋外下着大雨,母亲打开了白色的门。 朋友们一起去玩,非常快乐。",
    "ja": "まどのそばにしろいねこがいます。 やまのうえからまちがみえます。 ばんごはんにはぶたにくとまめをたべます。 ふたりはふねでしまへわたりました。",
    "es": "Por la mañana mi vecino pasea con su perro blanco. El médico vive cerca de un bosque muy bonito. Mi abuelo compra pan y fruta. Un hombre famoso habla por la radio.",
    "fr": "Le matin, mon voisin promène son petit chien blanc. Ma mère a vu une belle plage pendant les vacances. Le public applaudit beaucoup. Tous les bureaux sont fermés lundi.",
}
GRID_WORDS = ("bin lay place set", "blue green red white", "at by in with", "a b c d e f g h i j k l m n o p q r s t u v x y z",
              "zero one two three four five six seven eight nine", "again now please soon")  # fmt: skip


def sentences(language: str) -> list[str]:
    """Whole sentences with their final mark."""
    text = SENTENCES[language].replace("\n", " ")
    for mark in ".?!。?":
        text = text.replace(mark, mark + "\n")
    return [line.strip() for line in text.splitlines() if line.strip()]


def grid_sentence(rng: np.random.Generator) -> str:
    words = [str(rng.choice(choice.split())) for choice in GRID_WORDS]
    return " ".join(word.upper() if len(word) == 1 else word for word in words)
