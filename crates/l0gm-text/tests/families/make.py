"""Makes the tiny random checkpoints of this folder and what Hugging Face's `transformers` computes with them.

Each folder holds a `config.json` and a `model.safetensors` as `save_pretrained` writes them, and an
`expected.safetensors` with token ids, lengths, last states and, where the model has a pooler, pooled embeddings; and
the norm of each parameter's gradient. All parameters are drawn at random, also those that start as zeros and ones, so
that none can be left out unnoticed.
"""

import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
BASE = {"vocab_size": 40, "num_hidden_layers": 2, "max_position_embeddings": 32}
NAMED = {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 32}

# Folder: class, configuration, kept precision, longest text.
MODELS = {
    "bert": ("BertModel", {**BASE, **NAMED}, torch.float32, 32),
    "distilbert": (
        "DistilBertForSequenceClassification",
        {**BASE, "dim": 20, "n_heads": 5, "n_layers": 2, "hidden_dim": 30},
        torch.float32,
        32,
    ),
    "roberta": (
        "RobertaForSequenceClassification",
        {**BASE, **NAMED, "max_position_embeddings": 34, "type_vocab_size": 1},
        torch.float16,
        32,
    ),
    "xlm-roberta": (
        "XLMRobertaModel",
        {**BASE, **NAMED, "max_position_embeddings": 34, "type_vocab_size": 1, "num_hidden_layers": 1},
        torch.float32,
        32,
    ),
    "electra": ("ElectraForPreTraining", {**BASE, **NAMED, "embedding_size": 16}, torch.bfloat16, 32),
    "mpnet": ("MPNetModel", {**BASE, **NAMED, "max_position_embeddings": 172}, torch.float16, 170),
    "deberta-v3": (
        "DebertaV2Model",
        {
            **BASE,
            **NAMED,
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": "p2c|c2p",
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
        torch.float32,
        48,
    ),
    # What the configuration of DeBERTa v2 also allows: projections of their own for positions, one kind of bias, no
    # buckets, absolute positions and token types.
    "deberta-v2": (
        "DebertaV2ForSequenceClassification",
        {
            **BASE,
            **NAMED,
            "relative_attention": True,
            "max_relative_positions": 6,
            "share_att_key": False,
            "pos_att_type": ["c2p", "p2c"],
            "position_biased_input": True,
            "type_vocab_size": 2,
        },
        torch.float16,
        32,
    ),
    "modernbert": (
        "ModernBertForMaskedLM",
        {
            **BASE,
            **NAMED,
            "num_hidden_layers": 3,
            "max_position_embeddings": 64,
            "global_attn_every_n_layers": 2,
            "local_attention": 8,
            "pad_token_id": 0,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "cls_token_id": 2,
            "sep_token_id": 3,
        },
        torch.float32,
        48,
    ),
}


def rows(lengths, pad, roomy):
    """Token ids of texts of these lengths. With `roomy`, the first text also holds the padding token."""
    generator = torch.Generator().manual_seed(11)
    ids = torch.randint(4, 40, (len(lengths), max(lengths)), generator=generator)
    for row, length in enumerate(lengths):
        ids[row, length:] = pad
    if roomy:
        ids[0, 3] = pad
    mask = (torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]).long()
    return ids, mask


def waves(states):
    """The sum of all numbers, each times the cosine of its place: a loss on which all of them act."""
    return (states.flatten() * torch.cos(torch.arange(states.numel()).float())).sum()


def main():
    for folder, (kind, settings, precision, longest) in MODELS.items():
        torch.manual_seed(7)
        made = getattr(transformers, kind)
        model = made(made.config_class(**settings, attn_implementation="eager"))
        for name, parameter in model.named_parameters():
            one = "norm" in name.lower() and name.endswith("weight")
            torch.nn.init.normal_(parameter, 1.0 if one else 0.0, 0.3)
        model = model.to(precision)
        where = OUT / folder
        model.save_pretrained(where)
        (where / "generation_config.json").unlink(missing_ok=True)
        encoder = model.base_model.float().eval()
        pad = model.config.pad_token_id
        tensors = {}
        for case, lengths in [("padded", [12, 5, 9, 1]), ("long", [longest])]:
            ids, mask = rows(lengths, pad, "roberta" in folder and case == "padded")
            result = encoder(input_ids=ids, attention_mask=mask)
            states = result.last_hidden_state * mask[:, :, None]
            tensors[f"{case}.ids"] = ids
            tensors[f"{case}.lengths"] = torch.tensor(lengths)
            tensors[f"{case}.states"] = states.detach().contiguous()
            loss = waves(states)
            if getattr(result, "pooler_output", None) is not None:
                tensors[f"{case}.pooled"] = result.pooler_output.detach().contiguous()
                loss = loss + waves(result.pooler_output)
            if case == "padded":
                encoder.zero_grad()
                loss.backward()
                for name, parameter in encoder.named_parameters():
                    tensors[f"gradient.{name}"] = parameter.grad.norm()[None]
        save_file(tensors, where / "expected.safetensors")
        print(folder, sum(p.numel() for p in model.parameters()))


main()
