"""Run by tests/api/test_python.sh, which draws the data set $FLAWMAP_TEST_DATA."""

import os
import threading

import flawmap
import numpy as np
import pytest

DATA = os.environ["FLAWMAP_TEST_DATA"]
OPTIONS = dict(method="padim", size=64, untrained=True, hold_out="20%", false_alarms=0.4)


@pytest.fixture(scope="module")
def session():
    with flawmap.Session() as session:
        yield session


@pytest.fixture(scope="module")
def model(session, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "gear.flawmap"
    flawmap.train(DATA, path, session, **OPTIONS)
    return path


@pytest.fixture(scope="module")
def detector(session, model):
    with flawmap.load(model, session, untrained=True, threshold=1e-6) as detector:
        yield detector


@pytest.fixture
def picture():
    y, x = np.mgrid[:64, :48]
    return np.stack([3 * x, 2 * y, x + y], 2).astype(np.uint8)


def test_score(detector, picture):
    result = detector.score(picture)
    assert result.flagged and result.score > 0
    assert result.map.shape == result.mask.shape == (64, 48)
    assert result.map.max() == pytest.approx(result.score)
    assert result.repaired is None
    assert sum(r.area for r in result.regions) == result.mask.sum() > 0
    region = result.regions[0]
    assert result.mask[region.y : region.y + region.height, region.x : region.x + region.width].any()


def test_orders_and_strides(detector, picture):
    want = detector.score(picture).map
    same = lambda array, bgr=False: np.array_equal(detector.score(array, bgr).map, want)
    assert same(picture[:, :, ::-1], bgr=True)
    assert same(np.ascontiguousarray(picture[:, :, ::-1]), bgr=True)
    assert same(np.dstack([picture, np.zeros((64, 48), np.uint8)]))
    assert same(np.hstack([picture, picture])[:, :48])  # rows with a gap
    assert same(np.asfortranarray(picture))
    grey = picture[:, :, 0]
    np.testing.assert_array_equal(detector.score(grey).map, detector.score(np.dstack([grey] * 3)).map)
    many = detector.score_all([picture] * 11)
    assert len(many) == 11 and all(np.array_equal(r.map, want) for r in many)
    assert detector.score_all([]) == []


def test_what_is_no_picture(detector):
    with pytest.raises(TypeError):
        detector.score(np.zeros((4, 4)))
    for shape in [(4,), (4, 4, 2), (0, 4), (2, 3, 4, 3)]:
        with pytest.raises(ValueError):
            detector.score(np.zeros(shape, np.uint8))


def test_model(session, model, detector, picture):
    assert detector.facts["method"] == "padim"
    assert detector.threshold == 1e-6
    with flawmap.load(model.read_bytes(), session, untrained=True) as other:
        assert other.threshold > 0 and "good pictures" in other.threshold_origin
        assert other.score(picture).score == detector.score(picture).score
    with flawmap.load(model, session, untrained=True, threshold=1e-6, min_area=10**6) as other:
        assert not other.score(picture).flagged
    with pytest.raises(flawmap.FlawmapError, match="untrained"):
        flawmap.load(model, session)
    with pytest.raises(flawmap.FlawmapError):
        flawmap.load(b"no model", session)


def test_calibrate_and_update(session, model, tmp_path):
    out = tmp_path / "other.flawmap"
    flawmap.calibrate(model, out=out, session=session, threshold=5)
    with flawmap.load(out, session, untrained=True) as detector:
        assert detector.threshold == 5
    flawmap.update(model, os.path.join(DATA, "test", "good"), out, session)
    with flawmap.load(out, session, untrained=True) as detector:
        assert "of which" in detector.facts


def test_log_and_progress(tmp_path):
    lines, steps = [], []
    with flawmap.Session(log=lines.append, progress=lambda *step: steps.append(step)) as session:
        flawmap.train(DATA, tmp_path / "a.flawmap", session, **OPTIONS)
        assert any("learned" in line for line in lines)
        assert steps and all(done <= total for _, done, total in steps)
    with flawmap.Session(progress=lambda *_: True) as session:
        with pytest.raises(flawmap.Stopped):
            flawmap.train(DATA, tmp_path / "b.flawmap", session, **OPTIONS)

    def fail(*_):
        raise KeyError("mine")

    with flawmap.Session(progress=fail) as session:
        with pytest.raises(KeyError):
            flawmap.train(DATA, tmp_path / "b.flawmap", session, **OPTIONS)
    assert not (tmp_path / "b.flawmap").exists()


def test_wrong_options(session, tmp_path):
    for options in [dict(no_such="1"), dict(size=7), dict(device="0")]:
        with pytest.raises(flawmap.FlawmapError):
            flawmap.train(DATA, tmp_path / "x", session, **options)


def test_threads(model, picture):
    scores = {}

    def work(i):
        with flawmap.Session() as session, flawmap.load(model, session, untrained=True) as detector:
            scores[i] = detector.score(picture).score

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scores) == 2 and scores[0] == scores[1]


def test_closed(model, picture):
    detector = flawmap.load(model, untrained=True)
    detector.close()
    detector.close()
    with pytest.raises(ValueError):
        detector.score(picture)
