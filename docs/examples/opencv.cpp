// Scores an OpenCV picture: a cv::Mat is BGR with a stride, which the library takes as it is.
//
//   c++ opencv.cpp $(pkg-config --cflags --libs flawmap opencv4) -o opencv && ./opencv MODEL PICTURE
#include <flawmap.h>

#include <cstdio>
#include <memory>
#include <opencv2/imgcodecs.hpp>
#include <stdexcept>
#include <string>

struct Close {
  void operator()(fm_session *s) const { fm_session_close(s); }
  void operator()(fm_detector *d) const { fm_detector_close(d); }
};

class Detector {
public:
  explicit Detector(const std::string &model) {
    fm_session *s = nullptr;
    int failed = fm_session_open(nullptr, &s);
    session.reset(s);
    check(failed);
    fm_detector_options options = {};
    options.size = sizeof options;
    options.untrained = 1;
    fm_detector *d = nullptr;
    check(fm_detector_open(session.get(), model.c_str(), &options, &d));
    detector.reset(d);
  }

  fm_picture score(const cv::Mat &image, cv::Mat &map) {
    map.create(image.rows, image.cols, CV_32F);
    fm_picture p = {};
    p.size = sizeof p;
    p.width = image.cols;
    p.height = image.rows;
    p.pixels = image.data;
    p.stride = image.step;
    p.order = image.channels() == 1 ? FLAWMAP_GREY : image.channels() == 4 ? FLAWMAP_BGRA : FLAWMAP_BGR;
    p.map = map.ptr<float>();
    check(fm_detector_score(detector.get(), 1, &p));
    return p;
  }

private:
  void check(int failed) const {
    if (failed) throw std::runtime_error(fm_session_message(session.get()));
  }
  std::unique_ptr<fm_session, Close> session; // goes after its detector
  std::unique_ptr<fm_detector, Close> detector;
};

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  try {
    Detector detector(argv[1]);
    cv::Mat image = cv::imread(argv[2], cv::IMREAD_COLOR), map;
    if (image.empty()) throw std::runtime_error("the picture cannot be read");
    fm_picture p = detector.score(image, map);
    std::printf("%s: score %g\n", p.flagged ? "flawed" : "good", static_cast<double>(p.score));
  } catch (const std::exception &e) {
    std::fprintf(stderr, "opencv: %s\n", e.what());
    return 1;
  }
}
