"""The architectures of requirements d8: sizes as published, and what each promises of its inputs and weights."""

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import Refused
from core.models import MODELS
from core.models.bilstm_attention import WindowScaler
from core.models.net import architecture
from core.models.rows import class_weights
from core.models.tangent import covariances
from core.models.training import contrastive
from tests.core.models.small import SUBJECTS, data, make

SEQUENCE = {"sequence": (19, 54), "trial": (103,), "mask": (19,)}


def built(name, shapes, n_classes, **sizes):
    torch.manual_seed(0)
    return architecture(name)(shapes, n_classes, **sizes)


def inputs(shapes, n=3):
    rng = np.random.default_rng(0)
    found = {
        name: torch.as_tensor(rng.standard_normal((n, *shape)), dtype=torch.float32) for name, shape in shapes.items()
    }
    if "mask" in found:
        found["mask"] = torch.ones(n, shapes["mask"][0], dtype=torch.bool)
    return found


PUBLISHED = [
    ("eegnet", {"eeg": (14, 512)}, 2, {}, 1_842),
    ("cnn_lstm", {"eeg": (14, 512), "ecg": (2, 1024)}, 2, {}, 472_132),
    ("lstm_fcn", {"signals": (5, 640)}, 9, {}, 301_073),
    ("lstm_fcn", {"signals": (5, 640)}, 9, {"squeeze": False}, 290_833),
    ("lstm_fcn", {"signals": (5, 640)}, 9, {"attention": True, "units": 384}, 1_764_561),
    ("lstm_fcn", {"signals": (5, 640)}, 9, {"attention": True, "units": 384, "squeeze": False}, 1_754_321),
    ("bilstm_attention", SEQUENCE, 4, {}, 1_350_405),
    # 60 components: 60*128+128 + 128*64+64 + 64*32+32 + 32*16+16 + 16+1
    ("mlp", {"features": (60,)}, 2, {"hidden": (128, 64, 32, 16), "single": True}, 18_689),
]


@pytest.mark.parametrize(("name", "shapes", "n_classes", "sizes", "parameters"), PUBLISHED)
def test_a_net_has_the_published_size_and_gives_a_number_for_each_class(name, shapes, n_classes, sizes, parameters):
    module = built(name, shapes, n_classes, **sizes).eval()
    assert sum(p.numel() for p in module.parameters()) == parameters
    with torch.no_grad():
        assert module(**inputs(shapes)).shape == (3, n_classes)


def test_the_fusion_model_reads_128_and_256_steps():
    module = built("cnn_lstm", {"eeg": (14, 512), "ecg": (2, 1024)}, 2)
    x = inputs({"eeg": (14, 512), "ecg": (2, 1024)})
    steps = {name: branch.convolutions(x[name]).shape for name, branch in module.branches.items()}
    assert steps == {"eeg": (3, 64, 128), "ecg": (3, 64, 256)}


def test_eegnets_temporal_kernel_is_half_a_second_of_each_type():
    module = built("eegnet", {"eeg": (14, 512), "ecg": (2, 1024)}, 2)
    assert {n: b.temporal.kernel_size for n, b in module.bodies.items()} == {"eeg": (1, 64), "ecg": (1, 128)}


def test_eegnet_gives_the_same_with_its_spatial_filters_first():
    """Prediction runs them first; here is the paper's order beside it."""
    module = built("eegnet", {"eeg": (14, 512)}, 2)
    x = inputs({"eeg": (14, 512)}, 16)["eeg"]
    module.train()(eeg=x)  # moves the running means of the batch norms
    body = module.eval().bodies["eeg"]
    with torch.no_grad():
        padded = nn.functional.pad(x, (31, 32))[:, None]
        plain = body.rest(body.second(body.spatial(body.first(body.temporal(padded)))[:, :, 0]))
        assert (body(x) - plain).abs().max() < 1e-5


def test_the_variant_without_the_first_norm_filters_the_same_in_training():
    body = built("eegnet", {"eeg": (14, 512)}, 2, first_norm=False).bodies["eeg"]
    x = inputs({"eeg": (14, 512)}, 4)["eeg"]
    with torch.no_grad():
        a, b = (body.train(training)._spatial_first(x) for training in (True, False))
        plain = body.spatial(body.temporal(nn.functional.pad(x, (31, 32))[:, None]))[:, :, 0]
    assert a.shape == b.shape == (4, 16, 512)
    assert (a - plain).abs().max() < 1e-5 and (b - plain).abs().max() < 1e-5


def test_eegnets_weights_stay_in_their_norms_while_it_learns():
    x, y = data("eegnet")
    net = make("eegnet", lr=0.1, epochs=5).fit({"eeg": x["eeg"]}, y)
    spatial, dense = net.module_.bodies["eeg"].spatial.weight, net.module_.head.weight
    assert spatial.flatten(1).norm(dim=1).max() <= 1 + 1e-6
    assert dense.norm(dim=1).max() <= 0.25 + 1e-6
    assert dense.norm(dim=1).max() > 0.2499  # the bound was reached


def test_a_branch_that_is_left_out_says_nothing_and_takes_no_share_of_the_gate():
    x, y = data("cnn_lstm")
    net = make("cnn_lstm", epochs=1, without=("ecg",)).fit(x, y)
    other = {**x, "ecg": 100 * x["ecg"]}
    assert np.array_equal(net.predict_proba(x), net.predict_proba(other))
    with torch.no_grad():
        module = net.module_
        given = {k: torch.as_tensor(v) for k, v in x.items()}
        own = module.branches["eeg"](torch.nan_to_num(given["eeg"]))
        embedding = module.embed(**given)
    assert torch.allclose(embedding[:, :128], own, atol=1e-6) and (embedding[:, 128:] == 0).all()


def test_no_branch_left_is_refused():
    with pytest.raises(ValueError, match="no branch"):
        built("cnn_lstm", {"eeg": (4, 128)}, 2, without=("eeg",))


def padded(x, more=3):
    """The same trials with further padding, and rubbish in all of it."""
    sequence = np.pad(x["sequence"], ((0, 0), (0, more), (0, 0)))
    mask = np.pad(x["mask"], ((0, 0), (0, more)))
    sequence[~mask] = 1e6
    return {"sequence": sequence, "mask": mask}


def test_padding_changes_nothing_in_fit_or_prediction():
    x, y = data("bilstm_attention")
    a, b = (make("bilstm_attention", epochs=3).fit(given, y) for given in (x, padded(x)))
    assert np.abs(a.predict_proba(x) - a.predict_proba(padded(x))).max() < 1e-6
    assert np.abs(a.predict_proba(x) - b.predict_proba(x)).max() < 1e-6


def test_attention_lies_on_the_windows_that_are_there():
    x, y = data("bilstm_attention")
    x["mask"][4, 1] = False  # a gap within a trial
    steps = make("bilstm_attention", epochs=2).fit(x, y)
    weight = steps.named_steps["classifier"].attention(steps.named_steps["scaler"].transform(x))
    assert weight.shape == x["mask"].shape
    assert (weight[~x["mask"]] == 0).all() and (weight[x["mask"]] > 0).all()
    assert np.allclose(weight.sum(axis=1), 1, atol=1e-6)


def test_a_trial_without_any_window_still_gets_a_probability():
    x, y = data("bilstm_attention")
    steps = make("bilstm_attention", epochs=1).fit(x, y)
    x["mask"][0] = False
    assert np.isfinite(steps.predict_proba(x)).all()


def test_what_is_said_once_of_a_trial_is_a_stream_of_its_own():
    x, y = data("bilstm_attention")
    x["trial"] = np.random.default_rng(0).standard_normal((32, 7)).astype(np.float32)
    steps = make("bilstm_attention", epochs=2).fit(x, y)
    turned = {**x, "trial": -x["trial"]}
    assert np.abs(steps.predict_proba(x) - steps.predict_proba(turned)).max() > 1e-4


def test_windows_are_scaled_over_those_that_are_there():
    x = np.array([[[1.0], [3.0], [99.0]], [[np.nan], [5.0], [99.0]]])
    mask = np.array([[True, True, False], [True, True, False]])
    out = WindowScaler().fit({"sequence": x, "mask": mask}).transform({"sequence": x, "mask": mask})["sequence"]
    sd = np.std([1, 3, 3, 5])  # the missing one at the median, 3
    assert np.allclose(out[:, :, 0], np.array([[-2, 0, 0], [0, 2, 0]]) / sd, atol=1e-6)


def test_a_net_ends_with_the_weights_of_its_best_epoch():
    x, y = data("mlp", effect=0.3)
    seen = (x[20:], y[20:])
    steps = make("mlp", patience=8, epochs=60, lr=3e-2).fit(x[:20], y[:20], validation=seen)
    net = steps.named_steps["classifier"]
    losses = [e["valid_loss"] for e in net.history_]
    assert net.best_epoch_ == 1 + int(np.argmin(losses)) < len(losses)
    assert len(losses) == net.best_epoch_ + 8 < 60
    p = steps.predict_proba(x[20:])[np.arange(12), y[20:].astype(int)]
    assert -np.mean(np.log(p)) == pytest.approx(min(losses), rel=1e-4)  # labels of the training rows are balanced


def test_classes_weigh_the_same_in_the_loss_and_every_window_is_seen_once():
    assert class_weights(np.array([0, 0, 0, 1]), 2).tolist() == [2 / 3, 2.0]
    x, _ = data("mlp")
    y = np.arange(32) < 4
    p = make("mlp", epochs=60, hidden=(), lr=1e-1, weight_decay=1.0).fit(np.zeros_like(x), y).predict_proba(x)
    assert p.mean() == pytest.approx(0.5)
    assert np.abs(p - 0.5).max() < 0.02  # knowing nothing it says half, not the frequency


def test_a_stopped_training_is_not_taken_for_a_finished_one(monkeypatch):
    from core.models import training

    def interrupted(self, *_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training._Constrain, "on_batch_end", interrupted)
    x, y = data("mlp")
    with pytest.raises(KeyboardInterrupt):
        make("mlp", epochs=3).fit(x, y)


def test_contrastive_positives_are_of_the_same_class_and_another_subject():
    """Three vectors: two alike, one across them; likeness 1 and 0."""
    embedding = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    y, subject = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2])
    expected = np.log(np.exp(1) + 1) - 1  # of windows 0 and 1; window 2 has no positive
    assert contrastive(embedding, y, subject, temperature=1.0).item() == pytest.approx(expected, rel=1e-6)
    assert (
        contrastive(embedding, y, torch.tensor([0, 0, 2]), temperature=1.0).item() == 0
    )  # the same person is no positive


def test_the_contrastive_loss_starts_at_its_epoch_and_needs_subjects():
    x, y = data("cnn_lstm")

    def losses(**how):
        return [e["train_loss"] for e in make("cnn_lstm", epochs=3, **how).fit(x, y, SUBJECTS).history_]

    plain, warm = losses(), losses(contrastive=0.1, contrastive_from=3)
    assert plain[:2] == warm[:2] and warm[2] > plain[2]
    with pytest.raises(Refused, match="subject of each window"):
        make("cnn_lstm", contrastive=0.1).fit(x, y)


def test_training_moves_nobody_elses_random_numbers_and_threads():
    x, y = data("mlp")
    torch.manual_seed(5)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    make("mlp", epochs=1).fit(x, y)
    assert torch.equal(torch.random.get_rng_state(), before) and torch.get_num_threads() == threads


def test_covariances_are_scikit_learns_oas_and_a_silent_channel_is_neutral():
    from sklearn.covariance import oas

    x = data("tangent")[0]["eeg"][:3].astype(np.float64)
    ours = covariances(x)
    for window, expected in zip(x, ours, strict=True):
        assert np.abs(oas(window.T)[0] - expected).max() < 1e-12
    x[1, 2] = np.nan
    found = covariances(x)[1]
    assert np.linalg.eigvalsh(found).min() > 0
    assert np.abs(np.delete(found[2], 2)).max() == 0 and found[2, 2] == pytest.approx(1, abs=0.05)


def test_s4s_dense_nets_are_there_by_target():
    found = {}
    for target in ("valence", "arousal", "dominance", "liking"):
        net = MODELS["mlp"].make(0, like=target).named_steps["classifier"]
        found[target] = (net.sizes["hidden"], net.sizes.get("activation", "relu"), net.optimizer)
        assert (net.lr, net.weight_decay) == (0.09, 1e-5)
    assert found == {
        "valence": ((92, 46), "relu", "adam"),
        "arousal": ((53, 50), "relu", "adam"),
        "dominance": ((58, 33), "tanh", "sgd"),
        "liking": ((53, 25), "relu", "adam"),
    }
