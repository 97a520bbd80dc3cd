package heliotrope;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.SimpleTimerService;
import org.apache.flink.streaming.api.functions.python.DataStreamPythonFunctionInfo;
import org.apache.flink.streaming.api.graph.StreamConfig;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.api.operators.python.embedded.EmbeddedPythonKeyedCoProcessOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.tasks.ProcessingTimeService;
import org.apache.flink.streaming.runtime.tasks.StreamTask;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.types.Row;

/**
 * PyFlink's operator of a keyed broadcast function, with two things that it lacks: what waits for the thread is handed to Python in
 * one call for each bucket, and Python reads and writes many values, and sends many rows, in one call too.
 *
 * <p>Input 1: Row(bucket's key, Row(sessions, payloads, origin keys, places)), as `Gather` sends them. State, timers and names are
 * those of PyFlink's own operator. What is held leaves before anything that it must not be overtaken by, as in `Gather`.
 */
public class SessionTask extends EmbeddedPythonKeyedCoProcessOperator implements Hold.Holder {

    /** CPU time that a call should take at most: a checkpoint, a timer and Redis' answers wait for it. By the wall clock calls would
     * become smaller, hence dearer, when the machine is overloaded. */
    private static final long CALL_NS = 50000000L;

    private static final int LEAST = 16;

    private final ThreadMXBean cpu = ManagementFactory.getThreadMXBean();
    private final Hold hold;
    private final int most;
    private final long mostBytes;
    private final LinkedHashMap batches = new LinkedHashMap();
    private int held;
    private long heldBytes;
    private double inputNs;

    /** References: those of PyFlink's operator, then the milliseconds, inputs and bytes with which it is full. */
    public SessionTask(Object[] references, StreamTask task, StreamConfig config, Output output, ProcessingTimeService clock) {
        super(
                (Configuration) references[0],
                (DataStreamPythonFunctionInfo) references[1],
                (TypeInformation) references[2],
                (TypeInformation) references[3],
                (TypeInformation) references[4]);
        most = ((Number) references[6]).intValue();
        mostBytes = ((Number) references[7]).longValue();
        hold = new Hold(this, task, config.getChainIndex(), clock, ((Number) references[5]).longValue());
        setProcessingTimeService(clock);
        setup(task, config, output);
    }

    public void processElement1(StreamRecord record) throws Exception {
        Row keyed = (Row) record.getValue();
        Row batch = (Row) keyed.getField(1);
        ArrayList waiting = (ArrayList) batches.get(keyed.getField(0));
        if (waiting == null) {
            waiting = new ArrayList();
            batches.put(keyed.getField(0), waiting);
        }
        waiting.add(batch);
        held += ((Object[]) batch.getField(0)).length;
        heldBytes += length((Object[]) batch.getField(1)) + length((Object[]) batch.getField(2));
        if (held >= most || heldBytes >= mostBytes || (held >= LEAST && held * inputNs >= CALL_NS)) {
            sendAll();
        } else {
            hold.added();
        }
    }

    public void processElement2(StreamRecord record) throws Exception {
        sendAll();
        super.processElement2(record);
    }

    public void processWatermark(Watermark mark) throws Exception {
        sendAll();
        super.processWatermark(mark);
    }

    public void processWatermarkStatus(WatermarkStatus status) throws Exception {
        sendAll();
        super.processWatermarkStatus(status);
    }

    public void prepareSnapshotPreBarrier(long checkpoint) throws Exception {
        sendAll();
        super.prepareSnapshotPreBarrier(checkpoint);
    }

    public void endInput(int input) throws Exception {
        sendAll();
        super.endInput(input);
    }

    public void finish() throws Exception {
        sendAll();
        super.finish();
    }

    public Object getFunctionContext() {
        return new Calls(this, new SimpleTimerService(getInternalTimerService("user-timers", VoidNamespaceSerializer.INSTANCE, this)));
    }

    public void sendAll() throws Exception {
        if (held == 0) {
            return;
        }
        int count = held;
        held = 0;
        heldBytes = 0;
        hold.cleared();
        long beganNs = cpu.getCurrentThreadCpuTime();
        for (Iterator buckets = batches.entrySet().iterator(); buckets.hasNext(); ) {
            Map.Entry bucket = (Map.Entry) buckets.next();
            ArrayList waiting = (ArrayList) bucket.getValue();
            if (!waiting.isEmpty()) {
                StreamRecord record = new StreamRecord(Row.of(new Object[] {bucket.getKey(), joined(waiting)}));
                waiting.clear();
                setKeyContextElement1(record);
                super.processElement1(record);
            }
        }
        double tookNs = (double) (cpu.getCurrentThreadCpuTime() - beganNs) / count;
        inputNs = inputNs == 0 ? tookNs : inputNs + (tookNs - inputNs) / 8;
    }

    private static Row joined(ArrayList waiting) {
        if (waiting.size() == 1) {
            return (Row) waiting.get(0);
        }
        int count = 0;
        for (int at = 0; at < waiting.size(); at++) {
            count += ((Object[]) ((Row) waiting.get(at)).getField(0)).length;
        }
        String[] sessions = new String[count];
        byte[][] payloads = new byte[count][];
        byte[][] originKeys = new byte[count][];
        StringBuilder places = new StringBuilder();
        int end = 0;
        for (int at = 0; at < waiting.size(); at++) {
            Row batch = (Row) waiting.get(at);
            int size = ((Object[]) batch.getField(0)).length;
            System.arraycopy(batch.getField(0), 0, sessions, end, size);
            System.arraycopy(batch.getField(1), 0, payloads, end, size);
            System.arraycopy(batch.getField(2), 0, originKeys, end, size);
            places.append((String) batch.getField(3));
            end += size;
        }
        return Row.of(new Object[] {sessions, payloads, originKeys, places.toString()});
    }

    private static long length(Object[] texts) {
        long length = 0;
        for (int at = 0; at < texts.length; at++) {
            length += texts[at] == null ? 0 : ((byte[]) texts[at]).length;
        }
        return length;
    }

    long calledAt() {
        return timestamp;
    }

    void collect(Object[] fields) {
        Row row = new Row(fields.length);
        for (int at = 0; at < fields.length; at++) {
            row.setField(at, fields[at]);
        }
        collector.collect(row);
    }
}
