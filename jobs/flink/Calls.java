package heliotrope;

import org.apache.flink.runtime.state.internal.InternalMapState;
import org.apache.flink.runtime.state.internal.InternalValueState;
import org.apache.flink.streaming.api.TimerService;
import org.apache.flink.types.Row;

/** What Python calls: what PyFlink's context of a call has, and the calls that take and give arrays. */
class Calls {

    private final SessionTask task;
    private final TimerService timers;

    Calls(SessionTask task, TimerService timers) {
        this.task = task;
        this.timers = timers;
    }

    public long timestamp() {
        return task.calledAt();
    }

    public TimerService timerService() {
        return timers;
    }

    public Object getCurrentKey() {
        return ((Row) task.getCurrentKey()).getField(0);
    }

    /** What a value state holds of the current key under each name, nulls where there is nothing. */
    public Object[] readValues(Object state, Object[] names) throws Exception {
        InternalValueState values = (InternalValueState) state;
        Object[] found = new Object[names.length];
        for (int at = 0; at < names.length; at++) {
            values.setCurrentNamespace(names[at]);
            found[at] = values.value();
        }
        return found;
    }

    /** Holds each value under its name; a null holds nothing any more. */
    public void writeValues(Object state, Object[] names, Object[] data) throws Exception {
        InternalValueState values = (InternalValueState) state;
        for (int at = 0; at < names.length; at++) {
            values.setCurrentNamespace(names[at]);
            if (data[at] == null) {
                values.clear();
            } else {
                values.update(data[at]);
            }
        }
    }

    /** What a map state of the current key holds under each name, taken out of it. */
    public Object[] drainMap(Object state, Object[] names) throws Exception {
        InternalMapState map = (InternalMapState) state;
        Object[] found = new Object[names.length];
        for (int at = 0; at < names.length; at++) {
            found[at] = map.get(names[at]);
            map.remove(names[at]);
        }
        return found;
    }

    /** Sends a row of each array of fields. */
    public void collect(Object[][] rows) {
        for (int at = 0; at < rows.length; at++) {
            task.collect(rows[at]);
        }
    }
}
