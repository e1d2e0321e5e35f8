"""What scripts for the original do, with nothing but the standard library. Arguments: URL, directory of sample files."""

import base64
import gzip
import http.client
import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import xmlrpc.client

URL, SAMPLES = sys.argv[1:3]
HOST = urllib.parse.urlsplit(URL).netloc
MISSING = "0123456789abcdef01234567"
ERROR_KEYS = {
    "type", "code", "message", "data", "todump", "module", "httpcode", "onscreenmessage", "trace", "wasdumped",
}


def address(account):
    return "http://%s:%s@%s" % (account, urllib.parse.quote("password of " + account), HOST)


def proxy(account):
    return xmlrpc.client.ServerProxy(address(account), allow_none=True)


class Original:
    """Calls as the official client does: always a list and a struct."""

    def __init__(self, account):
        self.proxy = proxy(account)

    def __getattr__(self, name):
        return lambda *args, **named: getattr(self.proxy, name)(list(args), named)


def code(call, *args, **named):
    """The code of the error that a call must end with."""
    try:
        call(*args, **named)
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode == 999, fault
        error = json.loads(fault.faultString)
        assert set(error) <= ERROR_KEYS and "type" in error, error
        return error["code"]
    raise AssertionError("must be refused: %r" % (args,))


def sample(name):
    with open(os.path.join(SAMPLES, name)) as file:
        return json.load(file)


def manual(api):
    top = api.topology_create()["id"]
    shown = api.topology_modify(top, {"name": "two nodes", "_notes": "x"})
    assert (shown["name"], shown["_notes"]) == ("two nodes", "x")
    ends = []
    for i in range(2):
        place = {"x": 0.3 + 0.4 * i, "y": 0.5}
        node = api.element_create(top, "openvz", None, {"_pos": place, "name": "n%d" % i})
        assert (node["type"], node["state"], node["_pos"]) == ("openvz", "created", place), node
        assert node["host"] is None
        given = {"ip4address": "10.0.0.%d/24" % (i + 1)}
        port = api.element_create(top, "openvz_interface", node["id"], given)
        assert (port["parent"], port["name"], port["ip4address"]) == (node["id"], "eth0", given["ip4address"])
        ends.append((node["id"], port["id"]))
    con = api.connection_create(ends[0][1], ends[1][1], {"bandwidth_to": 2000, "delay_from": 10})
    assert con["elements"] == [ends[0][1], ends[1][1]]
    assert (con["bandwidth_to"], con["bandwidth_from"], con["delay_from"]) == (2000.0, 10000.0, 10.0), con
    api.topology_action(top, "start")
    node = api.element_info(ends[0][0], fetch=True)
    assert node["state"] == "started" and node["host"] and node["host_info"]["fileserver_port"], node
    assert isinstance(api.element_action(ends[0][0], "execute", {"cmd": "true"}), str)
    changed = api.connection_modify(con["id"], {"delay_to": 50, "lossratio_to": 1.5})
    assert (changed["delay_to"], changed["delay_from"], changed["lossratio_to"]) == (50.0, 10.0, 1.5)
    full = api.topology_info(top, full=True)
    assert full["state_max"] == "started" and len(full["elements"]) == 4, full
    assert full["connections"][0]["state"] == "started"
    api.topology_action(top, "renew", {"timeout": 3 * 86400.0})
    archive(api, ends[0][0])
    capture(api, con["id"])
    for used in [api.element_usage(ends[0][0]), api.connection_usage(con["id"]), api.topology_usage(top)]:
        assert set(used) == {"5minutes", "hour", "day", "month", "year"}, used
    return top, ends, con["id"]


def post(path, body, content_type):
    request = urllib.request.Request("http://%s/%s" % (HOST, path), body, {"Content-Type": content_type})
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def capture(api, con):
    assert code(api.connection_action, con, "download_grant", {"limitSize": "all"}) == "invalid_value"
    assert code(api.connection_modify, con, {"capture_filter": "no such thing ("}) == "invalid_value"
    assert code(api.connection_modify, con, {"capture_mode": "disk"}) == "invalid_value"
    shown = api.connection_modify(con, {"capture_filter": "icmp", "capture_mode": "net"})
    assert shown["capture_port"] is None and shown["capture_filter"] == "icmp", shown
    shown = api.connection_modify(con, {"capturing": True})
    again = api.connection_info(con)
    assert (shown["capture_port"], shown["capture_token"]) == (again["capture_port"], again["capture_token"])
    with socket.create_connection(("127.0.0.1", shown["capture_port"]), 10) as reader:
        reader.sendall(b"guessed\n")
        assert b"token is unknown" in reader.recv(1000)
    shown = api.connection_modify(con, {"capturing": False, "capture_mode": "file", "capture_filter": ""})
    assert shown["capture_port"] is None and shown["capture_token"] is None
    try:
        with socket.create_connection(("127.0.0.1", again["capture_port"]), 10) as other:
            # another program may have got the number since
            other.sendall(b"guessed\n")
            assert b"token is unknown" not in other.recv(1000), "must be closed"
    except (ConnectionError, TimeoutError):
        pass


def archive(api, node):
    info = api.element_info(node)["host_info"]
    assert "%s:%s" % (info["address"], info["fileserver_port"]) == HOST, info
    assert code(api.element_action, node, "rextfv_upload_use") == "no_data_available"
    grant = api.element_action(node, "rextfv_upload_grant")
    edge = "----edge"
    form = (
        "--%s\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"a.tar.gz\"\r\n"
        "Content-Type: application/gzip\r\n\r\n" % edge
    ).encode() + gzip.compress(b"\0" * 10240) + ("\r\n--%s--\r\n" % edge).encode()
    post(grant + "/upload", form, "multipart/form-data; boundary=" + edge)
    for wrong in [grant + "/download", grant[:-1] + "x/download"]:
        try:
            urllib.request.urlopen("http://%s/%s" % (HOST, wrong))
            raise AssertionError("must be refused")
        except urllib.error.HTTPError as error:
            assert error.code in (403, 404), error
    assert api.element_info(node)["rextfv_run_status"]["readable"] is False


def misuse(api, top, ends, con):
    node, port = ends[0]
    idle = api.element_create(top, "openvz")["id"]
    for expected, call, args in [
        ("entity_does_not_exist", api.element_info, (MISSING,)),
        ("entity_does_not_exist", api.topology_info, (MISSING[12:] + MISSING[:12],)),
        ("entity_does_not_exist", api.connection_info, (17,)),
        ("entity_does_not_exist", api.element_usage, (MISSING,)),
        ("entity_does_not_exist", api.element_create, (top, "toaster")),
        ("entity_does_not_exist", api.element_create, (top, "openvz", None, {"profile": "huge"})),
        ("entity_does_not_exist", api.element_create, (top, "openvz", None, {"template": "huge"})),
        ("entity_does_not_exist", api.element_modify, (idle, {"template": "huge"})),
        ("invalid_value", api.element_create, (top, "openvz_interface", port)),
        ("entity_does_not_exist", api.site_list, ("nowhere",)),
        ("entity_does_not_exist", api.host_list, (None, "nowhere")),
        ("unsupported_attribute", api.element_create, (top, "openvz", None, {"colour": 1})),
        ("unsupported_attribute", api.topology_modify, (top, {"colour": 1})),
        ("unsupported_attribute", api.connection_modify, (con, {"colour": 1})),
        ("invalid_value", api.connection_modify, (con, {"delay_to": -1})),
        ("invalid_value", api.element_create, (top, "openvz_interface", None)),
        ("unsupported_action", api.element_action, (node, "fly")),
        ("unsupported_action", api.topology_action, (top, "fly")),
        ("unsupported_action", api.connection_action, (con, "fly")),
        ("already_connected", api.connection_create, (port, ends[1][1])),
        ("unable_to_connect", api.connection_create, (node, port)),
        ("unsupported_type", api.capabilities_element, ("toaster",)),
        ("invalid_state", api.element_action, (idle, "execute", {"cmd": "true"})),
        ("invalid_value", api.element_action, (node, "execute", {})),
        ("invalid_value", api.topology_set_permission, (top, "user", "king")),
    ]:
        found = code(call, *args)
        assert found == expected, (args, found, expected)
    api.element_remove(idle)


def people(api, top, node):
    stranger = Original("stranger")
    for call, args in [
        (stranger.topology_info, (top,)),
        (stranger.element_info, (node,)),
        (stranger.topology_action, (top, "stop")),
        (stranger.profile_create, ("container", "x", {})),
        (stranger.host_action, ("x", "forced_update")),
    ]:
        assert code(call, *args) == "denied", args
    api.topology_set_permission(top, "user", "user")
    user = Original("user")
    assert user.topology_info(top)["permissions"] == {"owner": "owner", "user": "user"}
    assert code(user.topology_action, top, "stop") == "denied"
    assert code(user.topology_action, top, "renew", {"timeout": 86400.0}) == "denied"
    api.topology_set_permission(top, "user", None)
    assert code(user.topology_info, top) == "denied"
    assert code(api.topology_set_permission, top, "owner", "user") == "denied"
    me = api.account_info()
    assert (me["name"], me["id"]) == ("owner", "owner"), me
    assert "global_admin" in api.account_flags()
    assert "over_quota" in api.account_flag_categories()["user"]


def introspection(api):
    methods = api._listMethods()
    assert len(methods) > 80 and methods == sorted(methods) and not any(m.startswith("_") for m in methods)
    assert methods == proxy("owner").system.listMethods()
    assert api._methodSignature("topology_info") == "topology_info(id, full=False)"
    assert "file of version 5" in api._methodHelp("topology_export")
    try:
        proxy("owner").topology_list.__getattr__("__repr__")()
        raise AssertionError("must be refused")
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode == 26, fault
    many = xmlrpc.client.MultiCall(proxy("owner"))
    many.ping()
    many.topology_info(MISSING)
    answers = many()
    assert answers[0] is True
    try:
        answers[1]
        raise AssertionError("must be refused")
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode == 999, fault
    nobody = xmlrpc.client.ServerProxy("http://" + HOST, allow_none=True)
    assert nobody.ping() is True
    assert nobody.server_info()["api_version"] == [4, 1, 0]
    for server, status in [(nobody, 401), (xmlrpc.client.ServerProxy("http://owner:wrong@" + HOST), 403)]:
        try:
            server.topology_list()
            raise AssertionError("must be refused")
        except xmlrpc.client.ProtocolError as error:
            assert error.errcode == status, error


def resources(api):
    tree = api.capabilities()
    assert tree["element"]["openvz"]["children"] == {
        "openvz_interface": ["created", "prepared"], "container_interface": ["created", "prepared"],
    }, tree["element"]["openvz"]["children"]
    assert tree["connection"]["bridge"]["attributes"]["lossratio_to"]["value_schema"]["max_value"] == 100
    found = api.resources_map()
    assert found["profiles"]["container"]["normal"]["ram"] == 512, found["profiles"]
    names = [item["name"] for item in api.template_list("openvz")]
    assert names and names[0] in found["templates"]["container"]
    assert api.template_info(names[0])["ready"]["backend"] is True
    assert code(api.template_info, "nope") == "entity_does_not_exist"
    host = api.host_list()[0]
    assert host["site"] == "local" and "openvz" in host["element_types"] and "kvmqm" not in host["element_types"]
    raw = api.host_info(host["name"])["host_info"]
    assert raw["hostmanager"]["version"] and raw["uptime"] > 0 and raw["time"] > 1e9, raw
    assert len(raw["system"]["distribution"]) == 3 and raw["system"]["kernel"], raw
    measured = raw["resources"]
    assert measured["cpus_present"]["count"] >= 1 and len(measured["loadavg"]) == 3, measured
    for part in [measured["memory"], measured["diskspace"]["root"], measured["diskspace"]["data"]]:
        assert part["total"] >= part["used"] > 0, measured
    assert 0 <= host["load"] <= 1, host
    assert [item["name"] for item in api.host_list(site="local", organization="others")] == [host["name"]]
    assert api.site_list()[0]["name"] == "local"
    assert api.link_statistics("local", "local")["hour"] == []
    numbers = api.statistics()
    assert numbers["usage"]["topologies"] >= 1 and numbers["resources"]["hosts"] == 1, numbers
    assert numbers["usage"]["users_active_30days"] >= 1 and numbers["resources"]["cpus"] >= 1, numbers
    assert int(numbers["resources"]["memory"]) > 0 and int(numbers["resources"]["diskspace"]) > 0, numbers
    assert api.network_list() == [] and api.network_instance_list() == []
    assert api.role_list() == ["owner", "manager", "user"]


def files(api):
    for name, elements in [("v3.json", 7), ("v4.json", 15), ("v5.json", 10)]:
        top, ids, connections, errors = api.topology_import(sample(name))
        assert len(ids) == elements, (name, ids)
        assert all(len(error) == 5 and error[0] in ("topology", "element", "connection") for error in errors)
        first = api.topology_export(top)
        assert first["file_information"]["version"] == 5
        again = api.topology_import(first)
        assert again[3] == [], again[3]
        second = api.topology_export(again[0])
        assert len(second["topology"]["elements"]) == elements
        api.topology_remove(again[0])
        if name == "v4.json":
            templates = [error[4] for error in errors if error[2] == "template"]
            assert len(templates) == 2 and all("debian-12" in text for text in templates), errors
            assert code(api.topology_action, top, "start") == "unsupported_type"
            states = {e["name"]: e["state"] for e in api.topology_info(top, full=True)["elements"] if not e["parent"]}
            assert states["alice"] == states["switch1"] == "started" and states["bob"] == "created", states
            bob = [i for i, e in enumerate(sample(name)["topology"]["elements"]) if e["name"] == "bob"]
            bob = [new for old, new in ids if old == sample(name)["topology"]["elements"][bob[0]]["id"]][0]
            assert code(api.element_action, bob, "prepare") == "unsupported_type"
            assert api.element_info(bob)["kblang"] == "de"
        api.topology_remove(top)
    for broken in [{}, {"file_information": {"version": 2}, "topology": {}}, {"topology": {}}]:
        assert code(api.topology_import, broken) == "invalid_value", broken


def parallel(api):
    """Users prepared elements in threads, since each call waits."""
    top = api.topology_create()["id"]
    nodes = [api.element_create(top, "container")["id"] for _ in range(4)]
    failed = []

    def prepare(node):
        try:
            Original("owner").element_action(node, "prepare")
        except Exception as error:  # reported below
            failed.append(error)

    threads = [threading.Thread(target=prepare, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    assert {api.element_info(node)["state"] for node in nodes} == {"prepared"}
    api.element_action(nodes[0], "change_template", {"template": "debian-7.0_x86_64"})
    changed = api.element_info(nodes[0])
    assert (changed["template"], changed["state"]) == ("debian-12", "prepared"), changed
    api.topology_remove(top)


def accounts():
    admin, nobody = Original("admin"), xmlrpc.client.ServerProxy("http://" + HOST, allow_none=True)
    made = admin.organization_create("uni", "University", {"homepage_url": "https://uni.example"})
    assert (made["label"], made["homepage_url"]) == ("University", "https://uni.example"), made
    assert code(admin.organization_create, "uni") == "already_exists"
    assert code(admin.organization_create, "x", "X", {"colour": 1}) == "unsupported_attribute"
    assert {item["name"] for item in nobody.organization_list()} == {"others", "uni"}
    assert code(admin.organization_info, "nowhere") == "entity_does_not_exist"

    # Who registers waits for approval.
    attrs = {"realname": "New Bee", "email": "bee@uni.example"}
    assert code(nobody.account_create, "bee", "password of bee", "nowhere", attrs) == "entity_does_not_exist"
    assert code(nobody.account_create, "bee", "password of bee", "uni", {"realname": "x"}) == "invalid_value"
    nobody.account_create("bee", "password of bee", "uni", attrs)
    assert code(nobody.account_create, "bee", "password of bee", "uni", attrs) == "already_exists"
    try:
        proxy("bee").account_info()
        raise AssertionError("must be refused")
    except xmlrpc.client.ProtocolError as error:
        assert error.errcode == 403, error
    found = admin.account_info("bee")
    assert "new_account" in found["flags"] and found["email"] == "bee@uni.example", found
    flags = {"new_account": False, "over_quota": False, "nomails": True}
    changed = admin.account_modify("bee", {"flags": flags, "_seat": 7})
    assert changed["flags"] == ["nomails"] and changed["_seat"] == 7, changed
    bee = Original("bee")
    assert bee.account_info()["organization"] == "uni"
    assert admin.account_list(with_flag="nomails")[0]["name"] == "bee"
    assert [item["name"] for item in admin.account_list("uni")] == ["bee"]
    assert code(bee.account_list) == "denied"
    assert code(bee.account_info, "nobody-here") == "entity_does_not_exist"
    assert set(Original("owner").account_info("bee")) <= {"name", "id", "origin", "realname"}

    # Rights of one's own, and the original's switches that pass over the others.
    assert bee.account_modify(attrs={"realname": "Worker Bee"})["realname"] == "Worker Bee"
    assert code(bee.account_modify, "bee", {"flags": {"global_admin": True}}) == "denied"
    assert code(bee.account_modify, "bee", {"flags": {"gold": True}}) == "unsupported_attribute"
    assert code(bee.account_modify, "bee", {"colour": 1}) == "unsupported_attribute"
    wanted = {"realname": "Bee", "organization": "others", "flags": {"global_admin": True, "nomails": False}}
    kept = bee.account_modify("bee", wanted, True, True)
    assert (kept["realname"], kept["organization"], kept["flags"]) == ("Bee", "uni", []), kept
    assert code(bee.account_modify, "owner", {"realname": "x y z"}) == "denied"
    assert bee.account_modify("bee", {"password": "password of bee"})["name"] == "bee"

    # Nobody takes the own power away.
    admin.account_modify("bee", {"flags": {"orga_admin": True}})
    assert code(bee.account_modify, "bee", {"flags": {"orga_admin": False}}) == "denied"
    assert code(admin.account_modify, "admin", {"flags": {"global_admin": False}}) == "denied"
    admin.account_modify("bee", {"flags": {"orga_admin": False}})

    # What belongs to the machine stays.
    assert code(admin.site_remove, "local") == code(admin.organization_remove, "others") == "not_empty"
    assert code(admin.site_modify, "local", {"colour": 1}) == "unsupported_attribute"

    # A restricted profile needs its own flag, not another one.
    profile = admin.profile_create("container", "big", {"ram": 1000, "restricted": True})
    assert profile["restricted"] is True
    top = bee.topology_create()["id"]
    admin.account_modify("bee", {"flags": {"restricted_templates": True}})
    assert code(bee.element_create, top, "openvz", None, {"profile": "big"}) == "denied"
    admin.account_modify("bee", {"flags": {"restricted_profiles": True}})
    assert bee.element_create(top, "openvz", None, {"profile": "big"})["profile"] == "big"

    # Topologies of an organization; everybody's; none.
    assert [item["id"] for item in admin.topology_list(organization="uni")] == [top]
    assert code(bee.topology_list, False, True) == "denied"
    admin.account_modify("bee", {"flags": {"global_topl_user": True}})
    assert len(bee.topology_list(showAll=True)) >= 1
    admin.account_modify("bee", {"flags": {"no_topology_create": True}})
    assert code(bee.topology_create) == "denied"
    bee.topology_remove(top)
    admin.profile_remove(profile["id"])

    # Notifications.
    bee.notifyAdmins("help", "where is the honey?")
    assert "help" in [item["title"] for item in admin.account_notifications()]
    admin.account_send_notification("bee", "honey", "in the hive", ["topology", top])
    told = [item for item in bee.account_notifications() if item["title"] == "honey"][0]
    assert (told["message"], told["ref"], told["sender"], told["read"]) == (
        "in the hive", ["topology", top], "admin", False,
    ), told
    bee.account_notification_set_read(told["id"], True)
    assert told["id"] not in [item["id"] for item in bee.account_notifications()]
    assert told["id"] in [item["id"] for item in bee.account_notifications(include_read=True)]
    bee.account_notification_set_all_read(True)
    assert bee.account_notifications() == []
    assert code(bee.account_notification_set_read, MISSING, True) == "entity_does_not_exist"
    assert code(bee.broadcast_announcement, "all", "hear") == "denied"
    admin.broadcast_announcement("all", "hear", organization_filter="uni")
    assert [(item["title"], item["sender"]) for item in bee.account_notifications()] == [("all", "admin")]
    admin.broadcast_announcement("quiet", "hear", show_sender=False, organization_filter="uni")
    admin.account_send_notification("bee", "support", "hear", from_support=True)
    unsigned = [(item["title"], item["sender"]) for item in bee.account_notifications()]
    assert unsigned == [("support", None), ("quiet", None), ("all", "admin")], unsigned

    assert set(admin.account_usage("bee")) == {"5minutes", "hour", "day", "month", "year"}
    assert admin.organization_usage("uni")["hour"] == []
    assert code(admin.organization_remove, "uni") == "not_empty"
    assert code(bee.account_remove, "owner") == "denied"
    admin.account_remove("bee")
    admin.organization_remove("uni")
    assert code(admin.account_info, "bee") == "entity_does_not_exist"


# As Python 2.7's xmlrpclib writes it: the declaration, line ends, tags and headers.
PYTHON_2 = (
    "<?xml version='1.0'?>\n<methodCall>\n<methodName>%s</methodName>\n<params>\n%s</params>\n</methodCall>\n"
)
PYTHON_2_TWO = (
    "<param>\n<value><array><data>\n%s</data></array></value>\n</param>\n"
    "<param>\n<value><struct>\n%s</struct></value>\n</param>\n"
)


def python2(top):
    login = base64.b64encode(b"owner:password of owner").decode()

    def call(method, params, accept="gzip"):
        connection = http.client.HTTPConnection(HOST)
        connection.putrequest("POST", "/RPC2", skip_accept_encoding=True)
        body = (PYTHON_2 % (method, params)).encode()
        for key, value in [
            ("Accept-Encoding", accept),
            ("Authorization", "Basic " + login),
            ("User-Agent", "xmlrpclib.py/1.0.1 (by www.pythonware.com)"),
            ("Content-Type", "text/xml"),
            ("Content-Length", str(len(body))),
        ]:
            connection.putheader(key, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader("Content-Type") == "text/xml", answer.status
        data = answer.read()
        if answer.getheader("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        return data.decode()

    listed = call("_listMethods", PYTHON_2_TWO % ("", ""))
    assert "<string>topology_create</string>" in listed
    args = "<value><string>%s</string></value>\n" % top
    named = "<member>\n<name>full</name>\n<value><boolean>1</boolean></value>\n</member>\n"
    info = call("topology_info", PYTHON_2_TWO % (args, named))
    assert "<i8>" not in info and "<nil/>" in info
    whole = xmlrpc.client.loads(info)[0][0]
    assert whole["id"] == top and isinstance(whole["elements"][0], dict)
    for method in ["topology_info.__repr__", "topology_info.__str__"]:
        assert "<int>26</int>" in call(method, ""), method
    note = "<value><string>%s</string></value>\n<value><struct>\n<member>\n<name>_n</name>\n<value><nil/></value></member>\n</struct></value>\n"
    assert "<fault>" not in call("topology_modify", PYTHON_2_TWO % (note % top, ""))
    # Numbers beyond 32 bit leave as doubles.
    big = "<value><string>%s</string></value>\n<value><struct>\n<member>\n<name>_n</name>\n<value><double>5000000000.0</double></value>\n</member>\n</struct></value>\n"
    assert "<double>5000000000" in call("topology_modify", PYTHON_2_TWO % (big % top, ""), "identity")


def main():
    api = Original("owner")
    introspection(api)
    top, ends, con = manual(api)
    misuse(api, top, ends, con)
    people(api, top, ends[0][0])
    resources(api)
    files(api)
    parallel(api)
    accounts()
    python2(top)
    plain = proxy("owner")
    plain.topology_action(top, "stop")
    assert plain.topology_info(top)["state_max"] == "prepared"
    plain.topology_action(top, "destroy")
    plain.topology_remove(top)
    assert code(plain.topology_info, top) == "entity_does_not_exist"
    assert plain.topology_list() == []


main()
