import copy

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from semreward.errors import ArgumentError, ArgumentTypeError
from semreward.evaluation import token_kl, token_nll


@pytest.fixture(scope="module")
def tokenizer(policy_folder):
    return AutoTokenizer.from_pretrained(policy_folder)


@pytest.fixture(scope="module")
def model(policy_folder):
    return AutoModelForCausalLM.from_pretrained(policy_folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def adapted(model):
    """The policy with its weights moved a little."""
    moved = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    return moved


@pytest.fixture(scope="module")
def texts(captions):
    return [text for pair in captions[:4] for text in pair]


@pytest.fixture
def with_adapter(model):
    """A PEFT model around the policy whose adapter changes its output."""
    torch.manual_seed(0)
    config = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=0.5, target_modules=["q_proj", "v_proj"], init_lora_weights=False
    )
    return get_peft_model(copy.deepcopy(model), config)


def log_probabilities(model, ids):
    """Of every token given those before it, over the vocabulary, in double precision."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, :-1]
    return torch.log_softmax(logits.double(), dim=-1)


def test_nll_equals_a_computation_in_double_precision(model, tokenizer, texts):
    values = []
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        values += [-row[token].item() for row, token in zip(log_probabilities(model, ids), ids[1:], strict=True)]
    drift = token_nll(model, tokenizer, texts)
    expected = [np.mean(values), *np.percentile(values, [50, 10, 90]), len(values)]
    assert [drift.mean, drift.median, drift.p10, drift.p90, drift.tokens] == pytest.approx(expected, abs=1e-5)


def test_kl_equals_a_computation_in_double_precision(model, adapted, tokenizer, texts):
    values = []
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        log_p, log_q = log_probabilities(adapted, ids), log_probabilities(model, ids)
        values += (log_p.exp() * (log_p - log_q)).sum(dim=-1).tolist()
    drift = token_kl(adapted, model, tokenizer, texts)
    expected = [np.mean(values), *np.percentile(values, [50, 10, 90]), len(values)]
    assert [drift.mean, drift.median, drift.p10, drift.p90, drift.tokens] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_copy_of_a_model_does_not_drift_from_it(model, tokenizer, texts, dtype):
    drift = token_kl(copy.deepcopy(model).to(dtype), copy.deepcopy(model).to(dtype), tokenizer, texts)
    assert 0.0 <= drift.p90 <= 1e-6


def test_few_positions_at_a_time_become_log_probabilities(model, adapted, tokenizer, texts, monkeypatch):
    # what bounds the memory for vocabularies of 150,000 entries: two such arrays beside the logits
    sizes = []

    def recorded(logits, dim):
        sizes.append(len(logits))
        return torch.log_softmax(logits, dim)

    monkeypatch.setattr("semreward.evaluation.policy.log_softmax", recorded)
    tokens = token_kl(adapted, model, tokenizer, ["".join(texts)]).tokens
    assert (max(sizes) <= 64 < tokens, sum(sizes)) == (True, 2 * tokens)


def test_rounding_makes_no_kl_negative(model, tokenizer, texts):
    nearly = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in nearly.parameters():
            parameter.mul_(1 + 1e-7)
    assert token_kl(nearly, model, tokenizer, texts).p10 >= 0.0


def test_kl_is_not_symmetric(model, adapted, tokenizer, texts):
    assert token_kl(adapted, model, tokenizer, texts).mean != token_kl(model, adapted, tokenizer, texts).mean


def test_a_long_text_is_measured_in_chunks_without_a_seam(model, adapted, tokenizer, texts, monkeypatch):
    whole = token_kl(adapted, model, tokenizer, ["".join(texts)])
    monkeypatch.setattr("semreward.evaluation.policy._CHUNK", 3)
    assert token_kl(adapted, model, tokenizer, ["".join(texts)]).mean == pytest.approx(whole.mean, rel=1e-6)


def test_the_order_of_texts_does_not_matter(model, tokenizer, texts):
    assert token_nll(model, tokenizer, texts[::-1]).mean == pytest.approx(token_nll(model, tokenizer, texts).mean)


def test_tokens_beyond_max_tokens_are_cut_off(model, tokenizer, texts):
    assert token_nll(model, tokenizer, texts[:1], max_tokens=5).tokens == 4


def test_texts_of_one_token_contribute_none(model, tokenizer, texts):
    single = next(text for text in "猫红三" if len(tokenizer(text)["input_ids"]) == 1)
    assert token_nll(model, tokenizer, [single, "", texts[0]]) == token_nll(model, tokenizer, texts[:1])


def test_without_a_base_a_peft_model_is_compared_with_its_own(with_adapter, model, tokenizer, texts):
    assert token_kl(with_adapter, None, tokenizer, texts).mean == pytest.approx(
        token_kl(with_adapter, model, tokenizer, texts).mean, rel=1e-5
    )


def test_a_peft_model_drifts_from_its_own_base(with_adapter, tokenizer, texts):
    assert token_kl(with_adapter, None, tokenizer, texts).mean > 1e-5


def test_dropout_is_off_while_measuring(with_adapter, tokenizer, texts):
    with_adapter.train()
    assert token_kl(with_adapter, None, tokenizer, texts) == token_kl(with_adapter, None, tokenizer, texts)


def test_a_model_is_left_in_its_mode(with_adapter, tokenizer, texts):
    with_adapter.train()
    with_adapter.base_model.model.model.layers[0].eval()
    before = [module.training for module in with_adapter.modules()]
    token_kl(with_adapter, None, tokenizer, texts[:1])
    assert [module.training for module in with_adapter.modules()] == before


def test_what_requires_gradients_is_left_as_it_was(with_adapter, tokenizer, texts):
    with_adapter.requires_grad_(False)
    token_kl(with_adapter, None, tokenizer, texts[:1])
    assert not any(parameter.requires_grad for parameter in with_adapter.parameters())


def test_an_adapter_is_left_enabled(with_adapter, tokenizer, texts):
    before = token_nll(with_adapter, tokenizer, texts)
    token_kl(with_adapter, None, tokenizer, texts)
    assert token_nll(with_adapter, tokenizer, texts) == before


def test_a_model_is_left_in_its_mode_after_an_error(with_adapter, tokenizer):
    with_adapter.train()
    with pytest.raises(ArgumentError):
        token_nll(with_adapter, tokenizer, [""])
    assert with_adapter.training


def test_different_vocabularies_are_refused(model, tokenizer, texts):
    larger = copy.deepcopy(model)
    larger.resize_token_embeddings(model.config.vocab_size + 8)
    with pytest.raises(ArgumentError, match="must share a vocabulary"):
        token_kl(larger, model, tokenizer, texts)


def test_no_base_and_no_adapter_are_refused(model, tokenizer, texts):
    with pytest.raises(ArgumentTypeError, match="`base` must be a model unless `model` is a PEFT model"):
        token_kl(model, None, tokenizer, texts)


@pytest.mark.parametrize("texts", [[], [""]])
def test_too_little_text_is_refused(model, tokenizer, texts):
    with pytest.raises(ArgumentError, match="at least two tokens"):
        token_nll(model, tokenizer, texts)


@pytest.mark.parametrize("name", ["texts", "contexts"])
def test_a_single_text_outside_a_list_is_refused(model, tokenizer, name):
    with pytest.raises(ArgumentTypeError, match=f"`{name}` must be a list of texts, got str"):
        token_kl(model, model, tokenizer, **{"texts": ["一"], "contexts": ["一"], name: "一"})


def test_a_text_of_the_wrong_type_is_named_by_its_row(model, tokenizer, texts):
    with pytest.raises(ArgumentTypeError, match="got NoneType at row 1"):
        token_nll(model, tokenizer, [texts[0], None])


def test_a_limit_below_two_tokens_is_refused(model, tokenizer, texts):
    with pytest.raises(ArgumentError, match="`max_tokens` must be a whole number of at least 2"):
        token_nll(model, tokenizer, texts, max_tokens=1)


def test_logits_that_are_not_finite_are_refused(model, tokenizer, texts):
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.model.norm.weight.fill_(float("nan"))
    with pytest.raises(ArgumentError, match="finite logits"):
        token_nll(broken, tokenizer, texts)


def test_kl_after_contexts_counts_the_tokens_of_the_texts_only(model, adapted, tokenizer, texts):
    values = []
    for context, text in zip(texts[:3], texts[3:6], strict=True):
        before, ids = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (context, text))
        log_p, log_q = (log_probabilities(one, before + ids) for one in (adapted, model))
        values += (log_p.exp() * (log_p - log_q)).sum(dim=-1).tolist()[len(before) - 1 :]
    drift = token_kl(adapted, model, tokenizer, texts[3:6], contexts=texts[:3])
    assert (drift.mean, drift.tokens) == (pytest.approx(np.mean(values), abs=1e-6), len(values))


@pytest.mark.parametrize(
    ("contexts", "message"), [(["一"], "one per text: 2"), (["", "二"], "at least one token each, got '' at row 0")]
)
def test_contexts_that_do_not_fit_are_refused(model, adapted, tokenizer, contexts, message):
    with pytest.raises(ArgumentError, match=message):
        token_kl(adapted, model, tokenizer, ["一", "二"], contexts=contexts)


def test_contexts_must_be_texts(model, adapted, tokenizer):
    with pytest.raises(ArgumentTypeError, match="`contexts` must be strings, got NoneType at row 0"):
        token_kl(adapted, model, tokenizer, ["一"], contexts=[None])


def test_what_follows_a_long_context_or_is_empty_does_not_count(model, adapted, tokenizer, texts):
    alone = token_kl(adapted, model, tokenizer, texts[1:2], contexts=["一"], max_tokens=20)
    others = token_kl(adapted, model, tokenizer, [texts[1], "", "二"], contexts=["一", "一", "一" * 20], max_tokens=20)
    assert others == alone
