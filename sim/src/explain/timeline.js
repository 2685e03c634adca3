// The timeline of a story: a lane for each member, a row for each user concerned, arrows for messages, a red line where the
// promise broke. It draws what the element #scene holds, and loads nothing.
'use strict';

(() => {
    const scene = JSON.parse(document.getElementById('scene').textContent);
    const SVG = 'http://www.w3.org/2000/svg';
    const GUTTER = 112;
    const AXIS = 34;
    const BAR = 13;
    const NARROWEST_US = 20;

    // Fields of a message, in the order in which the scene has them.
    const [FROM, TO, KIND, SENT, ARRIVED, STATE, CONE, ROUND, EPOCH, CONTENTS, FATE] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

    const GROUPS = [
        { name: 'prepare, promise', color: '#2f6fd0', kinds: ['Prepare', 'Promise', 'Refused', 'Held', 'Survey', 'Surveyed'] },
        { name: 'propose, accepted', color: '#8a3fc0', kinds: ['Propose', 'Accepted', 'Lacks'] },
        { name: 'confirmed', color: '#1d8a4a', kinds: ['Confirmed'] },
        { name: 'commit, topology', color: '#16181d', kinds: ['Commit', 'Topology', 'Fetch'] },
        { name: 'leases', color: '#0e93a0', kinds: ['Renew', 'Grant'] },
        { name: 'others', color: '#8d6e4a', kinds: [] },
    ];
    const EPOCHS = ['#bcd6f7', '#f7d9a8', '#c9ecc4', '#ecc8e8', '#f5c4b8', '#c4e8ec', '#e4e0a6'];
    const BACKENDS = ['#4477aa', '#ee7733', '#228833', '#aa3377', '#66a5c8', '#997700', '#994455', '#44aa99', '#bbaa33', '#555555'];

    const view = { from: scene.first[0], to: scene.first[1] };
    const whole = { from: 0, to: scene.end + scene.end / 25 + 1 };
    const hidden = { groups: new Set(), members: new Set() };
    let isConeOnly = scene.messages.some((message) => message[CONE] === 1);
    let lit = -1;

    const groupOf = (kind) => GROUPS.find((group) => group.kinds.includes(kind)) || GROUPS[GROUPS.length - 1];
    const epochColor = (epoch) => EPOCHS[epoch % EPOCHS.length];
    const backendColor = (backend) => BACKENDS[backend % BACKENDS.length];
    const seconds = (us, digits = 6) => `${(us / 1e6).toFixed(digits)} s`;

    // ---- Layout: where everything is from top to bottom. Only times depend on the view.

    /** Puts intervals into as few rows as they need; each gets its `row`. */
    function inRows(intervals) {
        const ends = [];
        for (const interval of intervals) {
            let row = ends.findIndex((end) => end <= interval.from);
            if (row < 0) {
                row = ends.length;
            }
            ends[row] = interval.to;
            interval.row = row;
        }
        return ends.length;
    }

    function layOut() {
        let y = AXIS;
        const lanes = scene.members.map((member, index) => {
            const faults = scene.faults
                .filter((fault) => fault.members.includes(index))
                .map((fault) => ({ ...fault }))
                .sort((a, b) => a.from - b.from);
            const rows = inRows(faults);
            const lane = { index, member, faults, top: y };
            lane.faultsTop = y + 4;
            lane.leaseTop = lane.faultsTop + rows * BAR + 1;
            lane.line = lane.leaseTop + BAR + 9;
            lane.marksTop = lane.line + 8;
            lane.bottom = lane.marksTop + 30;
            y = lane.bottom;
            return lane;
        });
        const backendFaults = scene.faults.filter((fault) => fault.members.length === 0).map((fault) => ({ ...fault }));
        const backends = { faults: backendFaults, top: y };
        y += inRows(backendFaults) * BAR + (backendFaults.length > 0 ? 8 : 0);
        const users = scene.users.map((user) => {
            const members = [...new Set(user.sessions.map((session) => session[0]))].sort((a, b) => a - b);
            const sessions = user.sessions.map(([member, from, to, backend, door, why, epoch]) =>
                ({ member, from, to, backend, door, why, epoch }));
            const top = y + 6;
            let rowTop = top;
            const rows = members.map((member) => {
                const own = sessions.filter((session) => session.member === member).sort((a, b) => a.from - b.from);
                const row = { member, sessions: own, top: rowTop };
                rowTop += inRows(own) * BAR + 4;
                return row;
            });
            y = Math.max(rowTop, top + BAR) + 4;
            return { name: user.name, rows, top, bottom: y };
        });
        return { lanes, backends, users, height: y + 8 };
    }

    const layout = layOut();
    const slowest = typicalDelay();

    /** How long a message takes usually: where lost ones end. */
    function typicalDelay() {
        const delays = scene.messages
            .filter((message) => message[ARRIVED] >= 0 && message[STATE] === '')
            .map((message) => message[ARRIVED] - message[SENT])
            .sort((a, b) => a - b);
        return delays.length > 0 ? delays[Math.floor(delays.length / 2)] : 1000;
    }

    // ---- Drawing

    const box = document.getElementById('timeline');
    const svg = document.createElementNS(SVG, 'svg');
    box.replaceChildren(svg);

    function element(parent, name, attributes, text) {
        const made = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(attributes)) {
            made.setAttribute(key, value);
        }
        if (text !== undefined) {
            made.textContent = text;
        }
        parent.append(made);
        return made;
    }

    const width = () => Math.max(box.clientWidth || 0, 500);
    const x = (us) => GUTTER + (us - view.from) / (view.to - view.from) * (width() - GUTTER - 6);
    const time = (px) => view.from + (px - GUTTER) / (width() - GUTTER - 6) * (view.to - view.from);
    const isSeen = (from, to) => to >= view.from && from <= view.to;

    function draw() {
        svg.replaceChildren();
        svg.setAttribute('width', width());
        svg.setAttribute('height', layout.height);
        const defs = element(svg, 'defs', {});
        const clip = element(defs, 'clipPath', { id: 'inside' });
        element(clip, 'rect', { x: GUTTER, y: 0, width: width() - GUTTER, height: layout.height });
        for (const [index, group] of GROUPS.entries()) {
            const head = element(defs, 'marker', { id: `head${index}`, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' });
            element(head, 'path', { d: 'M0,1 L8,4 L0,7 z', fill: group.color });
        }
        for (const lane of layout.lanes) {
            element(svg, 'rect', { class: 'lane', x: 0, y: lane.top, width: width(), height: lane.bottom - lane.top });
        }
        const inside = element(svg, 'g', { 'clip-path': 'url(#inside)' });
        drawAxis(inside);
        layout.lanes.forEach((lane) => drawLane(inside, lane));
        layout.backends.faults.forEach((fault) => drawFault(inside, fault, layout.backends.top + 4));
        layout.users.forEach((user) => drawUser(inside, user));
        drawMessages(inside);
        drawMarks(inside);
        drawEnd(inside);
        drawNames();
    }

    function drawAxis(parent) {
        const wanted = (view.to - view.from) / (width() / 110);
        const power = 10 ** Math.floor(Math.log10(wanted));
        const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= wanted));
        const digits = Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(step))));
        for (let at = Math.ceil(Math.max(0, view.from) / step) * step; at <= view.to; at += step) {
            element(parent, 'line', { class: 'grid', x1: x(at), x2: x(at), y1: AXIS - 6, y2: layout.height });
            element(parent, 'text', { class: 'tick', x: x(at) + 3, y: AXIS - 9 }, seconds(at, digits));
        }
    }

    /** A bar with a text in it where there is room. */
    function bar(parent, kind, from, to, top, fill, text, hint) {
        if (!isSeen(from, to)) {
            return;
        }
        const left = Math.max(x(from), GUTTER - 2);
        const right = Math.min(x(to), width() + 2);
        const wide = Math.max(right - left, 1.5);
        const group = element(parent, 'g', { class: kind });
        element(group, 'rect', { x: left, y: top, width: wide, height: BAR - 2, rx: 2, fill });
        const room = Math.floor((wide - 6) / 5.6);
        if (room >= 2) {
            const short = text.length <= room ? text : room >= 6 ? `${text.slice(0, room - 1)}…` : '';
            element(group, 'text', { x: left + 3, y: top + BAR - 4 }, short);
        }
        hinted(group, hint);
    }

    function drawFault(parent, fault, top) {
        const hint = [`fault ${fault.number}: ${fault.words}`, `${seconds(fault.from)} to ${seconds(fault.to)}`];
        if (fault.cone) {
            hint.push('It did something to a message or a member of the story.');
        }
        const fill = fault.cone ? '#f2a0a0' : '#eed9d9';
        bar(parent, 'fault', fault.from, fault.to, top + fault.row * BAR, fill, `${fault.number} ${fault.kind}`, hint);
    }

    function drawLane(parent, lane) {
        lane.faults.forEach((fault) => drawFault(parent, fault, lane.faultsTop));
        for (const [from, to, epoch, isAhead] of lane.member.leases) {
            const kind = isAhead ? 'lease ahead' : 'lease';
            const words = isAhead
                ? [`member ${lane.index}'s lease would have run on to ${seconds(to)}`]
                : [`member ${lane.index} holds a lease at epoch ${epoch}`, `${seconds(from)} to ${seconds(to)}`];
            bar(parent, kind, from, to, lane.leaseTop, epochColor(epoch), isAhead ? '' : `lease, epoch ${epoch}`, words);
        }
        for (const [from, to, run] of lane.member.up) {
            if (isSeen(from, to)) {
                const line = element(parent, 'line', { class: 'up', x1: x(from), x2: x(to), y1: lane.line, y2: lane.line });
                hinted(line, [`member ${lane.index}, run ${run}`, `${seconds(from)} to ${seconds(to)}`]);
                element(parent, 'circle', { class: 'birth', cx: x(from), cy: lane.line, r: 4 });
                if (to < scene.end) {
                    element(parent, 'text', { class: 'death', x: x(to), y: lane.line + 5 }, '×');
                }
            }
        }
        for (const [from, to] of lane.member.paused) {
            if (isSeen(from, to)) {
                const line = element(parent, 'line', { class: 'paused', x1: x(from), x2: x(to), y1: lane.line, y2: lane.line });
                hinted(line, [`member ${lane.index} is paused`, `${seconds(from)} to ${seconds(to)}`]);
            }
        }
    }

    function drawUser(parent, user) {
        for (const row of user.rows) {
            for (const session of row.sessions) {
                const hint = [
                    `${user.name} through member ${session.member} on backend ${session.backend} (${session.door})`,
                    `${seconds(session.from)} to ${seconds(session.to)}: ${session.why}`,
                    `opened at epoch ${session.epoch}`,
                ];
                const [top, fill, text] = [row.top + session.row * BAR, backendColor(session.backend), `backend ${session.backend}`];
                bar(parent, 'session', session.from, session.to, top, fill, text, hint);
                if (session.why === 'still open') {
                    bar(parent, 'session ahead', scene.end, whole.to, top, fill, text, hint);
                }
            }
        }
    }

    function isShown(message) {
        return (!isConeOnly || message[CONE] === 1)
            && !hidden.groups.has(groupOf(message[KIND]).name)
            && !hidden.members.has(message[FROM]) && !hidden.members.has(message[TO]);
    }

    function drawMessages(parent) {
        const layer = element(parent, 'g', { id: 'messages' });
        for (const message of scene.messages) {
            const usual = message[SENT] + slowest;
            const end = message[ARRIVED] >= 0 ? message[ARRIVED] : usual;
            if (!isShown(message) || !isSeen(message[SENT], end)) {
                continue;
            }
            const [from, to] = [layout.lanes[message[FROM]].line, layout.lanes[message[TO]].line];
            const isThere = message[ARRIVED] >= 0;
            // A lost message ends just before whom it was sent to.
            const part = isThere ? 1 : Math.max(0.5, 1 - 17 / Math.abs(to - from));
            const [x1, x2] = [x(message[SENT]), x(message[SENT] + (end - message[SENT]) * part)];
            const y2 = from + (to - from) * part;
            const index = GROUPS.indexOf(groupOf(message[KIND]));
            const classes = `message ${message[STATE]} ${message[CONE] === 1 ? 'cone' : ''}`;
            const group = element(layer, 'g', { class: classes.trim() });
            const line = { x1, y1: from, x2, y2, stroke: GROUPS[index].color };
            element(group, 'line', isThere ? { ...line, 'marker-end': `url(#head${index})` } : line);
            if (!isThere) {
                element(group, 'text', { class: 'lost', x: x2, y: y2 + 4 }, message[STATE] === 'held' ? '‖' : '×');
            }
            element(group, 'line', { class: 'reach', x1, y1: from, x2, y2 });
            hinted(group, messageWords(message));
        }
    }

    /** A message, whole. */
    function messageWords(message) {
        const round = message[ROUND] === '' ? '' : ` ${message[ROUND]}`;
        const lines = [
            `${message[KIND]}${round} from member ${message[FROM]} to member ${message[TO]}, at epoch ${message[EPOCH]}`,
        ];
        if (message[CONTENTS] !== '') {
            lines.push(message[CONTENTS]);
        }
        lines.push(`sent ${seconds(message[SENT])}`);
        if (message[ARRIVED] >= 0) {
            const took = ((message[ARRIVED] - message[SENT]) / 1000).toFixed(3);
            lines.push(`arrived ${seconds(message[ARRIVED])}, after ${took} ms`);
        }
        if (message[FATE] !== '') {
            lines.push(message[FATE]);
        }
        return lines;
    }

    /** The lines of the story by their numbers, at the member where they happened; where there is room for them. */
    function drawMarks(parent) {
        const layer = element(parent, 'g', { id: 'marks' });
        const ends = new Map();
        scene.events.forEach(([at, member, text], index) => {
            if (member === null || hidden.members.has(member) || !isSeen(at, at)) {
                return;
            }
            const lane = layout.lanes[member];
            const rows = ends.get(member) || [-1e9, -1e9];
            let row = rows.findIndex((end) => x(at) - end > 17);
            const isCrowded = row < 0;
            row = isCrowded ? 0 : row;
            const group = element(layer, 'g', { class: index === lit ? 'mark lit' : 'mark' });
            const y = lane.marksTop + 6 + row * 14;
            element(group, 'line', { x1: x(at), x2: x(at), y1: lane.line, y2: y });
            if (isCrowded) {
                element(group, 'circle', { cx: x(at), cy: lane.line, r: 2.5 });
            } else {
                rows[row] = x(at);
                ends.set(member, rows);
                element(group, 'circle', { cx: x(at), cy: y, r: 7.5 });
                element(group, 'text', { x: x(at), y: y + 3.5 }, index + 1);
            }
            hinted(group, [`${index + 1}. at ${seconds(at)}`, text]);
            group.addEventListener('click', () => light(index));
        });
    }

    function drawEnd(parent) {
        if (!isSeen(scene.end, scene.end)) {
            return;
        }
        const kind = scene.broken === null ? 'end' : 'violation';
        const line = element(parent, 'line', { class: kind, x1: x(scene.end), x2: x(scene.end), y1: 0, y2: layout.height });
        const words = scene.broken === null ? 'end of the run' : `${scene.broken} breaks`;
        const isLeft = x(scene.end) > width() - 120;
        element(parent, 'text', { class: `${kind}-label`, x: x(scene.end) + (isLeft ? -4 : 4), y: 11, 'text-anchor': isLeft ? 'end' : 'start' }, words);
        hinted(line, [`${words} at ${seconds(scene.end)}`]);
    }

    function drawNames() {
        element(svg, 'rect', { class: 'gutter', x: 0, y: 0, width: GUTTER, height: layout.height });
        for (const lane of layout.lanes) {
            const isGone = hidden.members.has(lane.index) ? ' gone' : '';
            element(svg, 'text', { class: `name${isGone}`, x: 6, y: lane.line - 4 }, `member ${lane.index}`);
            element(svg, 'text', { class: 'role', x: 6, y: lane.line + 9 }, lane.member.role);
            element(svg, 'line', { class: 'edge', x1: 0, x2: width(), y1: lane.bottom, y2: lane.bottom });
        }
        if (layout.backends.faults.length > 0) {
            element(svg, 'text', { class: 'name', x: 6, y: layout.backends.top + 14 }, 'backends');
        }
        for (const user of layout.users) {
            element(svg, 'text', { class: 'name', x: 6, y: user.top + 10 }, user.name);
            for (const row of user.rows) {
                element(svg, 'text', { class: 'role via', x: GUTTER - 5, y: row.top + 10 }, `via ${row.member}`);
            }
        }
    }

    // ---- What the mouse does

    const hint = document.getElementById('hint');

    function hinted(target, lines) {
        target.addEventListener('mouseenter', (event) => {
            hint.replaceChildren(...lines.map((line) => {
                const made = document.createElement('div');
                made.textContent = line;
                return made;
            }));
            hint.hidden = false;
            placeHint(event);
        });
        target.addEventListener('mousemove', placeHint);
        target.addEventListener('mouseleave', () => {
            hint.hidden = true;
        });
    }

    function placeHint(event) {
        const left = Math.min(event.clientX + 14, window.innerWidth - hint.offsetWidth - 8);
        const top = event.clientY + 18 + hint.offsetHeight > window.innerHeight ? event.clientY - hint.offsetHeight - 10 : event.clientY + 18;
        hint.style.left = `${Math.max(left, 4)}px`;
        hint.style.top = `${Math.max(top, 4)}px`;
    }

    function show(from, to) {
        const span = Math.min(Math.max(to - from, NARROWEST_US), whole.to - whole.from);
        view.from = Math.min(Math.max(from, whole.from - span / 2), whole.to - span / 2);
        view.to = view.from + span;
        draw();
    }

    function zoom(factor, around) {
        show(around - (around - view.from) * factor, around + (view.to - around) * factor);
    }

    svg.addEventListener('wheel', (event) => {
        event.preventDefault();
        hint.hidden = true;
        const across = event.shiftKey ? event.deltaY : event.deltaX;
        if (Math.abs(across) > Math.abs(event.deltaY) || event.shiftKey) {
            const by = across / width() * (view.to - view.from);
            show(view.from + by, view.to + by);
        } else {
            zoom(event.deltaY > 0 ? 1.25 : 0.8, time(event.clientX - svg.getBoundingClientRect().left));
        }
    }, { passive: false });

    let grip = null;
    svg.addEventListener('pointerdown', (event) => {
        grip = { x: event.clientX, from: view.from, to: view.to };
    });
    window.addEventListener('pointermove', (event) => {
        if (grip !== null && Math.abs(event.clientX - grip.x) > 3) {
            const by = (grip.x - event.clientX) / (width() - GUTTER) * (grip.to - grip.from);
            show(grip.from + by, grip.to + by);
        }
    });
    window.addEventListener('pointerup', () => {
        grip = null;
    });

    /** Shows a line of the story in both places. */
    function light(index) {
        lit = index;
        const items = document.querySelectorAll('#story li');
        items.forEach((item, at) => item.classList.toggle('lit', at === index));
        const at = scene.events[index][0];
        const margin = (view.to - view.from) * 0.08;
        if (at < view.from + margin || at > view.to - margin) {
            const half = (view.to - view.from) / 2;
            show(at - half, at + half);
        } else {
            draw();
        }
        items[index].scrollIntoView({ block: 'nearest' });
    }

    document.querySelectorAll('#story li').forEach((item, index) => {
        item.addEventListener('click', () => light(index));
        item.addEventListener('keydown', (event) => {
            if (event.key === 'Enter') {
                light(index);
            }
        });
    });

    // ---- Buttons, filters, legend

    const toolbar = document.getElementById('toolbar');

    function button(id, text, title, action) {
        const made = document.createElement('button');
        made.id = id;
        made.textContent = text;
        made.title = title;
        made.addEventListener('click', action);
        toolbar.append(made);
    }

    function checkbox(parent, id, text, isOn, color, action) {
        const label = document.createElement('label');
        const input = document.createElement('input');
        input.type = 'checkbox';
        input.id = id;
        input.checked = isOn;
        input.addEventListener('change', () => {
            action(input.checked);
            draw();
        });
        label.append(input, text);
        if (color !== null) {
            label.style.color = color;
        }
        parent.append(label);
    }

    function toggle(set, key) {
        return (isOn) => {
            if (isOn) {
                set.delete(key);
            } else {
                set.add(key);
            }
        };
    }

    const middle = () => (view.from + view.to) / 2;
    button('zoom-in', '+', 'zoom in (or turn the wheel)', () => zoom(0.5, middle()));
    button('zoom-out', '−', 'zoom out (or turn the wheel)', () => zoom(2, middle()));
    button('zoom-last', 'last moments', 'where the story ends', () => show(...scene.first));
    button('zoom-whole', 'whole run', 'from the beginning to the end', () => show(whole.from, whole.to));
    if (isConeOnly) {
        checkbox(toolbar, 'cone-only', 'only what led to it', true, null, (isOn) => {
            isConeOnly = isOn;
        });
    }
    const filters = document.createElement('div');
    filters.id = 'filters';
    filters.append('messages: ');
    GROUPS.forEach((group, index) => {
        const count = scene.messages.filter((message) => groupOf(message[KIND]) === group).length;
        if (count > 0) {
            checkbox(filters, `kind-${index}`, `${group.name} (${count})`, true, group.color, toggle(hidden.groups, group.name));
        }
    });
    filters.append(document.createElement('br'), 'of members: ');
    scene.members.forEach((_, index) => {
        checkbox(filters, `member-${index}`, `${index}`, true, null, toggle(hidden.members, index));
    });
    toolbar.append(filters);

    function legend() {
        const parts = [
            ['up', 'a process runs, ● from its start, × to its end'],
            ['paused', 'paused'],
            ['lease', 'lease, coloured by epoch; behind the red line what was left of it'],
            ['fault', 'fault by number, strong where it mattered'],
            ['arrow', 'message that arrived'],
            ['lost-arrow', '× lost, ‖ held back'],
            ['mark', 'line of the story'],
        ];
        const made = parts.map(([kind, text]) => {
            const part = document.createElement('span');
            const sample = document.createElement('i');
            sample.className = `sample ${kind}`;
            part.append(sample, text);
            return part;
        });
        const backends = new Set(scene.users.flatMap((user) => user.sessions.map((session) => session[3])));
        for (const backend of [...backends].sort((a, b) => a - b)) {
            const part = document.createElement('span');
            const sample = document.createElement('i');
            sample.className = 'sample session';
            sample.style.background = backendColor(backend);
            part.append(sample, `session on backend ${backend}`);
            made.push(part);
        }
        const how = document.createElement('span');
        how.textContent = 'Wheel zooms, dragging pans, hovering tells all.';
        made.push(how);
        if (scene.cut !== '') {
            const cut = document.createElement('span');
            cut.id = 'cut';
            cut.textContent = `${scene.cut}.`;
            made.push(cut);
        }
        document.getElementById('legend').replaceChildren(...made);
    }

    legend();
    draw();
    window.addEventListener('resize', draw);
})();
