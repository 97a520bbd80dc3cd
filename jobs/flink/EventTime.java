package heliotrope;

import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.generated.WatermarkGenerator;

/**
 * The watermark after each record of a partition: its timestamp, never ahead of the clock, less the delay.
 *
 * <p>A record without a valid timestamp, a whole number from 1 on that is not too far ahead, does not move it.
 */
public class EventTime extends WatermarkGenerator {

    private static final long SECOND_MS = 1000;

    private final int payload;
    private final long maxFutureMs;
    private final long delayMs;

    /** References: the column of the payload, how far ahead a timestamp may be, and the delay; Flink adds one of its own. */
    public EventTime(Object[] references) {
        payload = ((Number) references[0]).intValue();
        maxFutureMs = ((Number) references[1]).longValue();
        delayMs = ((Number) references[2]).longValue();
    }

    public long extractTimestamp(RowData row) {
        Long found = row.isNullAt(payload) ? null : TopLevel.number(row.getBinary(payload), "timestamp");
        long nowMs = System.currentTimeMillis() / SECOND_MS * SECOND_MS; // whole seconds, as SQL's clock has
        if (found == null || found.longValue() < 1 || found.longValue() > nowMs + maxFutureMs) {
            return 0;
        }
        return Math.min(found.longValue(), nowMs);
    }

    public Long currentWatermark(RowData row) {
        return Long.valueOf(extractTimestamp(row) - delayMs);
    }
}
