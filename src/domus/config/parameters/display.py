"""Parameters of screens: VNC, SDL, SPICE, the video card."""

from __future__ import annotations

from typing import Final

from domus.config.parameters.declaration import FLAG, Parameter
from domus.config.parameters.kind import Kind
from domus.config.parameters.kinds import Anything, Choice, Text
from domus.config.parameters.numbers import Whole

_H: Final = "b_info/type.hvm"


def _spice(name: str, kind: Kind, help: str, field: str, libxl: str = "", *, xl: str = "4.2") -> Parameter:
    return Parameter(name, kind, help, f"hvm.spice.{field}", f"{_H}/spice/{libxl or field}", "hvm", xl=xl)


DISPLAY: Final = (
    Parameter("vnc", FLAG, "Serve the display by VNC.", "hvm.vnc.enable", f"{_H}/vnc/enable", "hvm", "y",
              "4.1", "xm 0, xl 1 for HVM"),
    Parameter("vnclisten", Text("ADDR"), "Address that VNC listens on.", "hvm.vnc.listen", f"{_H}/vnc/listen",
              "hvm", "y", "4.1", "127.0.0.1"),
    Parameter("vncpasswd", Text("PASSWD", empty_counts=True), "Password of VNC; empty is none at all.",
              "hvm.vnc.password", f"{_H}/vnc/passwd", "hvm", "y", "4.1"),
    Parameter("vncdisplay", Whole(0, 59635), "Display number of VNC; its port is 5900 more.",
              "hvm.vnc.display", f"{_H}/vnc/display", "hvm", "y", "4.1", "the domain's id"),
    Parameter("vncunused", FLAG, "Take the next free port if the display is taken.", "hvm.vnc.find_unused",
              f"{_H}/vnc/findunused", "hvm", "y", "4.1", "1"),
    Parameter("sdl", FLAG, "Show the display in a window.", "hvm.sdl.enable", f"{_H}/sdl/enable", "hvm", "y",
              "4.1", "0"),
    Parameter("opengl", FLAG, "Draw the window with OpenGL.", "hvm.sdl.opengl", f"{_H}/sdl/opengl", "hvm",
              "y", "4.1"),
    Parameter("display", Text("DISPLAY"), "X display of the window.", "hvm.sdl.display", f"{_H}/sdl/display",
              "hvm", "y", "4.5", "$DISPLAY"),
    Parameter("xauthority", Text("FILE"), "X cookie file of the window.", "hvm.sdl.xauthority",
              f"{_H}/sdl/xauthority", "hvm", "y", "4.5"),
    Parameter("keymap", Text("KEYMAP"), "Keyboard layout, such as de.", "hvm.keymap", f"{_H}/keymap", "hvm",
              "y", "4.1", "en-us"),
    Parameter("nographic", FLAG, "No emulated display.", "hvm.nographic", f"{_H}/nographic", "hvm", "y",
              "4.1", "0"),
    Parameter("vga",
              Choice("none", "stdvga", "cirrus", "qxl", also={"std": "stdvga"}, json={"stdvga": "std"}),
              "Emulated video card.", "hvm.vga", f"{_H}/vga/kind", "hvm", xl="4.3", default="cirrus"),
    Parameter("stdvga", FLAG, "A standard VGA card instead of the Cirrus.", guests="hvm", xm="y", xl="4.1",
              instead="vga"),
    Parameter("gfx_passthru", Text("0|1|default|igd"), "Pass the host's graphics card through.", guests="hvm",
              xm="y", xl="4.1", default="0"),
    Parameter("vfb", Anything("['vnc=1,...']"), "Paravirtualized framebuffers.", xm="y", xl="4.1"),
    Parameter("vncconsole", FLAG, "Open a VNC viewer when the domain is created.", "show_vnc", xm="y"),
    _spice("spice", FLAG, "Serve the display by SPICE.", "enable"),
    _spice("spiceport", Whole(0, 65535), "Port of SPICE.", "port"),
    _spice("spicetls_port", Whole(0, 65535), "Port of SPICE in TLS.", "tls_port"),
    _spice("spicehost", Text("ADDR"), "Address that SPICE listens on.", "host"),
    _spice("spicedisable_ticketing", FLAG, "No password for SPICE.", "disable_ticketing"),
    _spice("spicepasswd", Text("PASSWD", empty_counts=True), "Password of SPICE.", "password", "passwd"),
    _spice("spiceagent_mouse", FLAG, "Mouse by the guest's agent.", "agent_mouse"),
    _spice("spicevdagent", FLAG, "SPICE's agent.", "vdagent", xl="4.4"),
    _spice("spice_clipboard_sharing", FLAG, "Share the clipboard.", "clipboard_sharing", xl="4.4"),
    _spice("spiceusbredirection", Whole(0, 4), "Channels for USB devices of the client.", "usbredirection",
           xl="4.4"),
    _spice("spice_image_compression", Choice("auto_glz", "auto_lz", "quic", "glz", "lz", "off"),
           "Compression of images.", "image_compression", xl="4.6"),
    _spice("spice_streaming_video", Choice("filter", "all", "off"), "Streams of video.", "streaming_video",
           xl="4.6"),
)  # fmt: skip
