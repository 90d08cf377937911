#include "file/sniff.h"

#include "base/file.h"

#include <string.h>

static const char *const read_names[] = {"png", "jpg", "jpeg", "jpe", "jif", "jfif",
                                         "jfi", "tif", "tiff", "bmp", "dib", "webp"};
static const char *const unread_names[] = {
    "gif", "apng", "avif", "heic", "heif", "hif", "jp2",  "j2k", "jpf", "jpx",  "jpm", "j2c", "jxl",
    "jxr", "wdp",  "hdp",  "pnm",  "pbm",  "pgm", "ppm",  "pam", "pfm", "tga",  "icb", "vda", "vst",
    "pcx", "psd",  "psb",  "xcf",  "exr",  "hdr", "rgbe", "dds", "qoi", "ras",  "sgi", "xbm", "xpm",
    "ico", "cur",  "fit",  "fits", "fts",  "dcm", "mpo",  "jps", "bpg", "flif", "czi", "lif", "nd2",
    "svs", "ndpi", "dng",  "cr2",  "cr3",  "crw", "nef",  "nrw", "arw", "srf",  "sr2", "raf", "orf",
    "rw2", "pef",  "srw",  "x3f",  "3fr",  "iiq", "mrw",  "kdc", "dcr", "erf",
};

enum fm_looks fm_looks_by_name(const char *path) {
  char extension[16];
  fm_path_extension(path, extension);
  for (size_t i = 0; i < sizeof read_names / sizeof *read_names; i++)
    if (strcmp(extension, read_names[i]) == 0) return FM_LOOKS_READ;
  for (size_t i = 0; i < sizeof unread_names / sizeof *unread_names; i++)
    if (strcmp(extension, unread_names[i]) == 0) return FM_LOOKS_UNREAD;
  return FM_LOOKS_NONE;
}

/* Bytes at a place in the file; a second part where one is not enough. */
static const struct {
  const char *kind, *bytes;
  size_t length, at;
  enum fm_looks looks;
  const char *more;
  size_t more_length, more_at;
} beginnings[] = {
#define AT(place, text) (text), sizeof(text) - 1, (place)
    {"PNG", AT(0, "\x89PNG\r\n\x1a\n"), FM_LOOKS_READ, NULL, 0, 0},
    {"JPEG", AT(0, "\xff\xd8\xff"), FM_LOOKS_READ, NULL, 0, 0},
    {"WebP", AT(0, "RIFF"), FM_LOOKS_READ, AT(8, "WEBP")},
    {"raw CR2", AT(0, "II*\0"), FM_LOOKS_UNREAD, AT(8, "CR\2")},
    {"TIFF", AT(0, "II*\0"), FM_LOOKS_READ, NULL, 0, 0},
    {"TIFF", AT(0, "MM\0*"), FM_LOOKS_READ, NULL, 0, 0},
    {"TIFF", AT(0, "II+\0"), FM_LOOKS_READ, NULL, 0, 0},
    {"TIFF", AT(0, "MM\0+"), FM_LOOKS_READ, NULL, 0, 0},
    {"BMP", AT(0, "BM"), FM_LOOKS_READ, AT(15, "\0\0\0")}, /* the second header has fewer than 256 bytes */
    {"GIF", AT(0, "GIF8"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"JPEG 2000", AT(0, "\0\0\0\x0cjP  "), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"JPEG 2000", AT(0, "\xff\x4f\xff\x51"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"JPEG XL", AT(0, "\0\0\0\x0cJXL "), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"JPEG XR", AT(0, "II\xbc"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"HEIF", AT(4, "ftyphei"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"HEIF", AT(4, "ftyphev"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"HEIF", AT(4, "ftypmif1"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"HEIF", AT(4, "ftypmsf1"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"AVIF", AT(4, "ftypavi"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"raw CR3", AT(4, "ftypcrx"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"raw RAF", AT(0, "FUJIFILMCCD-RAW"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"raw ORF", AT(0, "IIRO"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"raw RW2", AT(0, "IIU\0"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"OpenEXR", AT(0, "\x76\x2f\x31\x01"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"Radiance HDR", AT(0, "#?RADIANCE"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"Photoshop", AT(0, "8BPS"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"GIMP", AT(0, "gimp xcf"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"DDS", AT(0, "DDS \x7c\0\0\0"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"QOI", AT(0, "qoif"), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"FITS", AT(0, "SIMPLE  ="), FM_LOOKS_UNREAD, NULL, 0, 0},
    {"DICOM", AT(128, "DICM"), FM_LOOKS_UNREAD, NULL, 0, 0},
#undef AT
};

/* "P5\n", "P6 640": the kinds of PBM, PGM, PPM, PAM, PFM. */
static bool is_netpbm(const unsigned char *b, size_t size) {
  return size >= 4 && b[0] == 'P' && ((b[1] >= '1' && b[1] <= '7') || b[1] == 'f' || b[1] == 'F') &&
         (b[2] == '\n' || b[2] == ' ' || b[2] == '\t' || b[2] == '\r') &&
         ((b[3] >= '0' && b[3] <= '9') || b[3] == '#' || b[3] == 'W');
}

static bool has(const unsigned char *bytes, size_t size, const char *what, size_t length, size_t at) {
  return size >= at + length && memcmp(bytes + at, what, length) == 0;
}

enum fm_looks fm_looks_by_bytes(const unsigned char *bytes, size_t size, const char **kind) {
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
    if (!has(bytes, size, beginnings[i].bytes, beginnings[i].length, beginnings[i].at)) continue;
    const char *more = beginnings[i].more;
    if (more && !has(bytes, size, more, beginnings[i].more_length, beginnings[i].more_at)) continue;
    *kind = beginnings[i].kind;
    return beginnings[i].looks;
  }
  bool netpbm = is_netpbm(bytes, size);
  *kind = netpbm ? "Netpbm" : NULL;
  return netpbm ? FM_LOOKS_UNREAD : FM_LOOKS_NONE;
}
