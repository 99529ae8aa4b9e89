"""Faces in pictures and videos: detect, track, smooth, align, and cut out as clips."""

from vidfake.faces import dlib_hog, yunet
from vidfake.faces.detect import DETECTORS, FaceDetector, build_detector

__all__ = ["DETECTORS", "FaceDetector", "build_detector", "dlib_hog", "yunet"]
