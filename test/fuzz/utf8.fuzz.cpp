// native/wire/utf8.h against decoding code points.
#include "fuzz.h"

#include "../../native/wire/utf8.h"
#include "../native/utf8-by-the-book.h"

using namespace rally;

FUZZ("utf8") {
  const Exact text{input.rest()};
  CHECK_EQ(isUtf8(text), isUtf8ByTheBook(text));
  CHECK_EQ(isUtf8Payload(text), isUtf8ByTheBook(text, true));
}
