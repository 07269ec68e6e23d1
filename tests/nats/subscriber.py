"""A subscriber that shares no code with the ledger: the official Python client of NATS.

    subscriber.py events URL DURABLE LAST_ID [COUNT]   prints events, one JSON object a line, until the
                                                       one with LAST_ID, or COUNT of them
    subscriber.py bucket URL NAME KEY POSITION         waits until the value of KEY is of POSITION or
                                                       later, then prints all keys and values as JSON
    subscriber.py notes URL NAME KEY                   waits until there is KEY, then prints all keys and
                                                       their texts as JSON
"""

import asyncio
import json
import sys

import nats
import nats.js.errors


async def stream_is_there(client, js, name):
    """Returns once the ledger has made the stream; the server announces it."""
    created = await client.subscribe("$JS.EVENT.ADVISORY.STREAM.CREATED." + name)
    try:
        await js.stream_info(name)
    except nats.js.errors.NotFoundError:
        await created.next_msg(timeout=60)
    await created.unsubscribe()


async def events(js, durable, last_id, count):
    subscription = await js.pull_subscribe("licence.evt.>", durable=durable, stream="LICENCES")
    seen = 0
    while True:
        # The first message is waited for; the server answers with what there is.
        for message in await subscription.fetch(1 if count else 50, timeout=60):
            assert message.headers["Content-Type"] == "application/cloudevents+json", message.headers
            event = json.loads(message.data)
            assert message.headers["Nats-Msg-Id"] == event["id"], message.headers
            print(json.dumps({"subject": message.subject, "event": event}), flush=True)
            await message.ack_sync()
            seen += 1
            if event["id"] == last_id or seen == count:
                return


async def bucket(js, name, key, position):
    store = await js.key_value(name)
    watcher = await store.watch(key)
    async for entry in watcher:
        if entry is not None and json.loads(entry.value)["position"] >= position:
            break
    await watcher.stop()
    values = {key: json.loads((await store.get(key)).value) for key in await store.keys()}
    print(json.dumps(values), flush=True)


async def notes(js, name, key):
    store = await js.key_value(name)
    watcher = await store.watch(key)
    async for entry in watcher:
        if entry is not None:
            break
    await watcher.stop()
    values = {key: (await store.get(key)).value.decode() for key in await store.keys()}
    print(json.dumps(values), flush=True)


async def main(verb, url, *rest):
    client = await nats.connect(url, connect_timeout=10)
    js = client.jetstream(timeout=10)
    if verb == "events":
        durable, last_id, *count = rest
        await stream_is_there(client, js, "LICENCES")
        await events(js, durable, last_id, int(count[0]) if count else 0)
    elif verb == "notes":
        name, key = rest
        await stream_is_there(client, js, "KV_" + name)
        await notes(js, name, key)
    else:
        name, key, position = rest
        await stream_is_there(client, js, "KV_" + name)
        await bucket(js, name, key, int(position))
    await client.close()


asyncio.run(main(*sys.argv[1:]))
