package io.rainer.mirror;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** Server-sent events, taken out of the pieces in which they arrive; one that is cut off at the end is not one. */
final class ServerEvents {
    private final Pieces pieces;
    private byte[] piece = new byte[0];
    private int at;
    private String kind = "message";
    private ByteArrayOutputStream data;

    ServerEvents(Pieces pieces) {
        this.pieces = pieces;
    }

    /** What they are taken out of: the next bytes, null at the end. */
    interface Pieces {
        byte[] next(Duration silence) throws InterruptedException;
    }

    /** An event and its data; a comment, such as a beat, is an event of the kind "". */
    record Event(String kind, byte[] data) {
        String text() {
            return new String(data, StandardCharsets.UTF_8);
        }
    }

    /** The next event, null at the end of the stream. */
    Event next(Duration silence) throws InterruptedException {
        for (byte[] line = line(silence); line != null; line = line(silence)) {
            if (line.length == 0) {
                Event whole = data == null ? null : new Event(kind, data.toByteArray());
                kind = "message";
                data = null;
                if (whole != null) {
                    return whole;
                }
                continue;
            }
            int colon = 0;
            while (colon < line.length && line[colon] != ':') {
                colon++;
            }
            int begin = Math.min(line.length, colon + 1);
            begin += begin < line.length && line[begin] == ' ' ? 1 : 0;
            String name = new String(line, 0, colon, StandardCharsets.UTF_8);
            switch (name) {
                case "" -> {
                    return new Event("", java.util.Arrays.copyOfRange(line, begin, line.length));
                }
                case "event" -> kind = new String(line, begin, line.length - begin, StandardCharsets.UTF_8);
                case "data" -> addData(line, begin);
                default -> { } // such as an id
            }
        }
        return null;
    }

    private void addData(byte[] line, int begin) {
        if (data == null) {
            data = new ByteArrayOutputStream(line.length);
        } else {
            data.write('\n');
        }
        data.write(line, begin, line.length - begin);
    }

    private byte[] line(Duration silence) throws InterruptedException {
        ByteArrayOutputStream begun = new ByteArrayOutputStream();
        while (true) {
            int end = at;
            while (end < piece.length && piece[end] != '\n') {
                end++;
            }
            begun.write(piece, at, end - at);
            if (end < piece.length) {
                at = end + 1;
                byte[] line = begun.toByteArray();
                boolean hasReturn = line.length > 0 && line[line.length - 1] == '\r';
                return hasReturn ? java.util.Arrays.copyOf(line, line.length - 1) : line;
            }
            at = 0;
            piece = pieces.next(silence);
            if (piece == null) {
                piece = new byte[0];
                return null;
            }
        }
    }
}
