package io.rainer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The order of keys everywhere: that of their bytes in UTF-8. */
final class KeyOrder {
    private KeyOrder() {}

    static int compare(String one, String other) {
        return Arrays.compareUnsigned(
                one.getBytes(StandardCharsets.UTF_8), other.getBytes(StandardCharsets.UTF_8));
    }
}
