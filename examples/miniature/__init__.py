"""A whole small world for the examples: languages, texts, questions, an untrained encoder and a pretrained policy.

The paper's recipe needs a policy of four billion parameters, an encoder that knows Tibetan, and parallel text that
cannot be given away. This package makes stand-ins on the spot, in minutes on two CPU cores and from nothing but a seed,
so that every stage of the recipe runs and can be checked where neither GPUs nor downloads exist:

* `miniature.grammar`: Chinese-Tibetan caption sentences, and a parser that judges translations without any encoder;
* `miniature.reading`: Chinese reading comprehension, to see what fine-tuning makes a policy forget;
* `miniature.documents`: what the base policy reads in pretraining;
* `miniature.models`, `miniature.pretraining`: tokenizers, encoder checkpoints, and the policy;
* `miniature.world`: one call that writes all of it into a folder.

The Tibetan is real script and ordinary words in simple patterns. It is a test bed, no course book.
"""
