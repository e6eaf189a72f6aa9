"""A small world for the examples, made in minutes from a seed: languages, texts, questions, encoders and a policy.

The paper's recipe needs a policy of four billion parameters, an encoder that knows Tibetan, and parallel text that
cannot be given away. These stand-ins let every stage of the recipe run where neither GPUs nor downloads exist.
`world.build_world` writes all of it into a folder; `grammar` and `headlines` also hold the parsers that judge answers
without any encoder.

The Tibetan is real script and ordinary words in simple patterns: a test bed, not a language course.
"""
