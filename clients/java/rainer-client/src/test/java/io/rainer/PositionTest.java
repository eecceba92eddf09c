package io.rainer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PositionTest {
    private static final String LINEAGE = "0b7e1f2a-6c1d-4c57-9f65-0f4b5f6f7a01";

    @Test
    void readsBackWhatItWrites() {
        Position position = new Position(LINEAGE, 17, "ab".repeat(32));
        assertEquals(position, Position.parse(" " + position + "\n"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a:1:b", LINEAGE + ":01:", LINEAGE + ":1:ab", LINEAGE + ":9999999999999999999:"})
    void refusesWhatIsNone(String text) {
        String padded = text.endsWith(":") ? text + Position.GENESIS : text;
        assertThrows(InvalidException.class, () -> Position.parse(padded));
    }
}
