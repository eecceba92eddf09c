package io.rainer.zookeeper;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.rainer.CorruptException;
import java.io.IOException;
import java.util.regex.Pattern;

/** Members of what publishers write as JSON, read strictly; those that a later version added are passed over. */
record Json(String what, JsonNode members) {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Pattern CHAIN = Pattern.compile("[0-9a-f]{64}");

    static Json of(String what, byte[] data) {
        try {
            JsonNode found = MAPPER.readTree(data);
            if (found != null && found.isObject()) {
                return new Json(what, found);
            }
        } catch (IOException e) {
            throw new CorruptException("the " + what + " is not JSON: " + e.getMessage());
        }
        throw new CorruptException("the " + what + " is not a JSON object");
    }

    long number(String name) {
        JsonNode found = members.path(name);
        if (!found.isIntegralNumber() || !found.canConvertToLong()) {
            throw wrong(name);
        }
        return found.longValue();
    }

    long number(String name, long otherwise) {
        return members.has(name) ? number(name) : otherwise;
    }

    /** A number from 0. */
    long count(String name) {
        long found = number(name);
        if (found < 0) {
            throw wrong(name);
        }
        return found;
    }

    String text(String name) {
        if (!members.path(name).isTextual()) {
            throw wrong(name);
        }
        return members.get(name).textValue();
    }

    String chain() {
        String found = text("chain");
        if (!CHAIN.matcher(found).matches()) {
            throw wrong("chain");
        }
        return found;
    }

    CorruptException wrong(String name) {
        return new CorruptException("the " + what + "'s " + name + " is missing or wrong: " + members.path(name));
    }
}
