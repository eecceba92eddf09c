package io.rainer.zookeeper;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Whose clock says what: ours stands at 1,000,000 ms, and the publisher's wherever it likes. */
class FreshnessTest {
    private final Freshness freshness = new Freshness();

    private static Freshness.Beat beat(long timeMs) {
        return new Freshness.Beat(timeMs, 0);
    }

    @Test
    void theFirstLookBelievesAClockThatIsNear() {
        assertEquals(999_000, freshness.judge(beat(999_000), 1, 1, 1_000_000));
        assertEquals(1_000_000, new Freshness().judge(beat(1_004_000), 1, 1, 1_000_000));
    }

    @Test
    void theFirstLookBelievesNoClockThatIsFar() {
        assertEquals(Freshness.UNKNOWN, freshness.judge(beat(500_000), 1, 1, 1_000_000));
        assertEquals(1_000_000, freshness.judge(beat(502_000), 2, 1, 1_001_500), "it moves: between the two looks");
        assertEquals(Freshness.UNKNOWN, new Freshness().judge(null, 0, 1, 1_000_000));
    }

    @Test
    void aBeatsOwnTimeCountsWithinTheTwoLooks() {
        freshness.judge(beat(999_000), 1, 1, 1_000_000);
        assertEquals(1_001_000, freshness.judge(beat(1_001_000), 2, 1, 1_001_500));
        assertEquals(1_003_000, freshness.judge(beat(9_000_000), 3, 1, 1_003_000));
        assertEquals(1_003_000, freshness.judge(beat(1), 4, 1, 1_004_500));
    }

    @Test
    void whoIsSilentForTenSecondsVouchesForNothing() {
        freshness.judge(beat(999_000), 1, 1, 1_000_000);
        assertEquals(999_000, freshness.judge(beat(999_000), 1, 1, 1_010_000));
        assertEquals(Freshness.UNKNOWN, freshness.judge(beat(999_000), 1, 1, 1_010_001));
        assertEquals(1_010_001, freshness.judge(beat(999_000), 1, 2, 1_011_000), "a head that moves is a sign, too");
    }

    @Test
    void aPublisherThatIsBehindSaysSinceWhen() {
        assertEquals(900_000, freshness.judge(new Freshness.Beat(1_000_000, 900_000), 1, 1, 1_000_000));
    }
}
