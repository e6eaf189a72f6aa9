"""What sacrebleu's command line says about a few sentences, in percent.

Tool: sacrebleu 2.6.0. Commands, with a sentence's `semreward.text.units` joined by spaces in `hyp` and `ref0`, `ref1`
for BLEU, and the plain sentence for chrF:

    sacrebleu ref0 [ref1] -i hyp -m bleu --tokenize none --force --sentence-level -w 6 -b
    sacrebleu ref0 [ref1] -i hyp -m chrf --sentence-level -w 6 -b

The corpus values are of the first four sentences together, without `--sentence-level` and `-b`. Signatures:

    BLEU|nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:2.6.0
    chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0
"""

_SENTENCES = [
    ("the cat sat on the mat", ["the cat is on the mat"]),
    ("the cat", ["the cat sat on the mat"]),
    ("ཁོང་གིས་ཀུ་ཤུ་གསུམ་ཉོས།", ["ཁོང་གིས་ཀུ་ཤུ་གཉིས་ཉོས།"]),
    ("他买了三个苹果。", ["他买了两个苹果。"]),
    ("a b c d e", ["a b x d e", "c d e f"]),
    ("the the the the", ["the cat"]),
]
_BLEU = [37.991784, 13.533528, 48.892302, 50.0, 50.0, 15.973578]
_CHRF = [64.577942, 27.253315, 73.004409, 38.154762, 44.889252, 17.868922]

BLEU = [(*sentence, value) for sentence, value in zip(_SENTENCES, _BLEU, strict=True)]
CHRF = [(*sentence, value) for sentence, value in zip(_SENTENCES, _CHRF, strict=True)]

CORPUS_COMPLETIONS = [completion for completion, _ in _SENTENCES[:4]]
CORPUS_REFERENCES = [references[0] for _, references in _SENTENCES[:4]]
CORPUS_BLEU = 37.503404
CORPUS_CHRF = 56.723281
