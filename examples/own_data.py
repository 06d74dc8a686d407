"""A meta-trained learner on images of your own: five classes, five labelled images of each.

    python examples/own_data.py

The images stand for yours: handwritten digits of another data set (scikit-learn's, 8x8), enlarged to the
28x28 of the domain that the learner was trained on. With the `smoke` budget it has learned next to nothing;
take `small`.
"""

import torch
from sklearn.datasets import load_digits

import metanas

WAYS, SHOTS, QUERIES = 5, 5, 20

images, labels = load_digits(return_X_y=True)
pixels = torch.from_numpy(images).reshape(-1, 1, 8, 8) * (255 / 16)
pixels = torch.nn.functional.interpolate(pixels, size=(28, 28), mode="bilinear").round().to(torch.uint8)
classes = [pixels[torch.from_numpy(labels == digit)] for digit in range(5, 5 + WAYS)]

run = metanas.run("protonet", "mini-v1", domains=["digits"], seeds=[0], budget="smoke", out="runs/own-data")
digits = run.data["digits"]
learner = run.learner(seed=0)

# One task: x (1, images, 1, 28, 28), normalised as the domain's own images; y (1, images) in 0..WAYS-1.
support = torch.cat([images[:SHOTS] for images in classes])
query = torch.cat([images[SHOTS : SHOTS + QUERIES] for images in classes])
adapted = learner.adapt(
    metanas.Batch(digits.inputs(support)[None], torch.arange(WAYS).repeat_interleave(SHOTS)[None])
)
predicted = adapted.predict(digits.inputs(query)[None]).argmax(-1)[0]
right = (predicted == torch.arange(WAYS).repeat_interleave(QUERIES)).float().mean()
print(f"accuracy on {len(predicted)} images of my own: {right:.1%} (chance: {1 / WAYS:.0%})")
