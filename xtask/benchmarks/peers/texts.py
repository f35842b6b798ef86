"""MiniLM through Hugging Face's transformers with PyTorch's fused attention."""
import glob

import torch
import torch.nn.functional as F


def load(folder):
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder, attn_implementation="sdpa", add_pooling_layer=False)


def step(folder):
    model = load(folder).train()
    head = torch.nn.Linear(384, 2)
    parameters = list(model.parameters()) + list(head.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=5e-5, fused=True)
    ids = torch.randint(1000, 21000, (16, 128))
    mask = torch.ones_like(ids)
    labels = torch.arange(16) % 2

    def run():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
        loss = F.cross_entropy(head(states[:, 0]), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return run


def inference(folders):
    import pyarrow.parquet
    from tokenizers import Tokenizer

    folder, data = folders.split("\n")
    model = load(folder).eval()
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    [file] = glob.glob(f"{data}/plain_text/test-*.parquet")
    texts = pyarrow.parquet.read_table(file, columns=["text"])["text"].to_pylist()
    every = max(len(texts) // 256, 1)
    rows = sorted((tokenizer.encode(text).ids for text in texts[::every][:256]), key=len)
    batches, batch = [], []
    for row in rows:
        if batch and len(row) * (len(batch) + 1) > 2048:
            batches.append(batch)
            batch = []
        batch.append(row)
    batches.append(batch)
    padded = []
    for batch in batches:
        longest = max(map(len, batch))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in batch])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
        padded.append((ids, mask))

    def run():
        with torch.inference_mode():
            for ids, mask in padded:
                model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]

    return run


CASES = {"minilm-step": step, "minilm-inference": inference}
