"""Settings, a link, a newcomer who joins by it and ranks, and the people afterwards."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from labelapp.models import Member, Project, Prompt, Ranking, Role
from labelapp.projects import invitations
from tests.browser.conftest import As, from_menu
from tests.browser.ranking_page import RankingPage
from tests.conftest import PASSWORD, AddPrompt, join


def test_a_newcomer_joins_by_a_link_and_ranks(
    live_server: Any, sign_in_as: As, browser: Browser, manager: Member, prompt: Prompt
) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/")
    from_menu(page, "Project", "People").click()
    page.get_by_role("link", name="Invite people").click()
    page.get_by_role("button", name="Create link").click()
    expect(page.get_by_text("Link created.")).to_be_visible()
    link = page.get_by_role("textbox", name="Link for a labeller").input_value()
    assert link.startswith(f"{live_server.url}/join/")

    visitor = browser.new_context().new_page()
    visitor.goto(link)
    expect(visitor.get_by_role("heading", name="Kitchen")).to_be_visible()
    visitor.get_by_label("Username").fill("newcomer")
    visitor.get_by_label("Password", exact=True).fill("a quite long passphrase")
    visitor.get_by_label("Password again").fill("a quite long passphrase")
    visitor.get_by_role("button", name="Create account and join").click()
    expect(visitor.get_by_text("You have joined Kitchen as a labeller.")).to_be_visible()
    visitor.get_by_role("link", name="Rank", exact=True).first.click()
    ranking = RankingPage(visitor, visitor.url).ready()
    ranking.rank_by_keyboard({text: n for n, text in enumerate(ranking.letters(), start=1)})
    visitor.keyboard.press("Enter")
    expect(ranking.said).to_contain_text("Ranking stored.")
    assert Ranking.objects.get().member.name == "newcomer"
    visitor.context.close()

    from_menu(page, "Project", "People").click()
    row = page.get_by_role("listitem").filter(has_text="newcomer")
    expect(row).to_contain_text("1 ranking")


def test_a_newcomer_comes_to_the_third_ranking_by_keys_alone(
    live_server: Any, browser: Browser, manager: Member, add_prompt: AddPrompt
) -> None:
    for number in range(3):
        add_prompt(f"{number}?")
    Project.objects.update(practice=True)
    assert manager.user is not None
    invitation = invitations.create(
        project=manager.project,
        role="labeller",
        lasts=timedelta(days=1),
        single=True,
        user=manager.user,
    )
    page = browser.new_context().new_page()
    ranking, keys = RankingPage(page, page.url), page.keyboard
    page.goto(f"{live_server.url}/join/{invitations.token(invitation)}/")
    for part in ("newcomer", "Tab", PASSWORD, "Tab", PASSWORD):
        keys.press(part) if part == "Tab" else keys.type(part)
    keys.press("Enter")
    expect(page.get_by_role("link", name="Rank", exact=True).last).to_be_focused()
    keys.press("Enter")
    incomplete = page.locator("#submit[aria-disabled=true]")
    expect(incomplete).to_be_visible()
    ranking.rank_by_keyboard(in_order(ranking))
    keys.press("Enter")
    expect(page.get_by_role("link", name="Next").first).to_be_focused()
    keys.press("Enter")
    expect(incomplete).to_be_visible()
    keys.press("s")
    expect(page.get_by_role("button", name="Skip practice")).to_be_focused()
    keys.press("Enter")
    for number in range(1, 4):
        ranking.ready().rank_by_keyboard(in_order(ranking))
        keys.press("Enter")
        expect(page.get_by_role("link", name=f"{number} ranked")).to_be_visible()
    assert Ranking.objects.count() == 3
    page.context.close()


def in_order(ranking: RankingPage) -> dict[str, int]:
    """Return ranks in the order in which the responses are shown."""
    return {text: rank for rank, text in enumerate(ranking.letters(), start=1)}


def test_a_double_click_makes_one_account(
    live_server: Any, browser: Browser, manager: Member, project: Project
) -> None:
    assert manager.user is not None
    invitation = invitations.create(
        project=project, role="labeller", lasts=timedelta(days=1), single=True, user=manager.user
    )
    visitor = browser.new_context().new_page()
    visitor.goto(f"{live_server.url}/join/{invitations.token(invitation)}/")
    visitor.get_by_label("Username").fill("newcomer")
    visitor.get_by_label("Password", exact=True).fill("a quite long passphrase")
    visitor.get_by_label("Password again").fill("a quite long passphrase")
    visitor.get_by_role("button", name="Create account and join").dblclick()
    expect(visitor.get_by_text("You have joined Kitchen as a labeller.")).to_be_visible()
    visitor.context.close()
    assert project.members.filter(name="newcomer").count() == 1


def test_a_person_changes_their_password_from_the_header(
    live_server: Any, sign_in_as: As, labeller: Member
) -> None:
    page = sign_in_as(labeller)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"{live_server.url}/projects/kitchen/")
        from_menu(page, "labeller", "Your account").click()
        expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("several words to remember")
    page.get_by_label("New password again").fill("several words to remember")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password is changed.")).to_be_visible()


def test_a_link_is_copied_or_selected(live_server: Any, sign_in_as: As, manager: Member) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/invitations/")
    page.get_by_role("button", name="Create link").click()
    field = page.get_by_role("textbox", name="Link for a labeller")
    expect(field).to_be_visible()
    page.wait_for_load_state()  # its scripts run
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == field.input_value()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("It is selected")).to_be_visible()
    expect(field).to_be_focused()
    assert page.evaluate("getSelection().toString()") == field.input_value()


def test_guidelines_are_previewed_as_they_are_typed(
    live_server: Any, sign_in_as: As, manager: Member, project: Project
) -> None:
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/settings/")
    preview = page.locator("#preview")
    expect(preview.locator("em")).to_have_text("short")
    page.get_by_label("Guidelines", exact=True).fill(
        "Be **kind**. <script>window.hacked = 1</script>"
    )
    expect(preview.locator("strong")).to_have_text("kind")
    assert preview.locator("script").count() == 0
    expect(page.get_by_label("Names of your flags")).not_to_be_visible()
    page.get_by_label("Your own list").check()
    page.get_by_label("Names of your flags").fill("Rude")
    page.get_by_label("Name", exact=True).press("Enter")  # saves: it is no preview
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    project.refresh_from_db()
    assert project.flags == ["Rude"]
    assert project.guidelines.startswith("Be **kind**.")


def test_roles_change_in_place_by_keyboard(
    live_server: Any,
    sign_in_as: As,
    manager: Member,
    labeller: Member,
    expected_errors: list[str],
) -> None:
    expected_errors.append("Failed to load resource: the server responded with a status of 422")
    page = sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/people/")
    role = page.get_by_label("Role of labeller")
    expect(page.get_by_role("button", name="Change the role of labeller")).to_be_hidden()
    role.focus()
    role.select_option("reviewer")  # changes it at once
    expect(page.get_by_text("labeller is now a reviewer.")).to_be_visible()
    expect(role).to_be_focused()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_text("labeller is now a labeller.")).to_be_visible()
    role.select_option("reviewer")
    expect(page.get_by_text("labeller is now a reviewer.")).to_be_visible()
    page.get_by_label("Role of manager").select_option("labeller")  # their own: asked for first
    page.get_by_role("button", name="Change the role of manager").press("Enter")
    expect(page.get_by_role("alert").filter(has_text="only manager")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Remove labeller").click()
    page.get_by_role("button", name="Bring back labeller").click()
    expect(page.get_by_text("labeller is back as a reviewer.")).to_be_visible()
    page.get_by_role("button", name="Remove manager").click()
    expect(page.get_by_role("alert").filter(has_text="only manager")).to_be_visible()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_pages_of_a_campaign_fit_a_phone(
    colours: Any, live_server: Any, sign_in_as: As, manager: Member, project: Project, page: Page
) -> None:
    join(project, "a.very.long.name.of.a.labeller@a.long.host.example.org", Role.LABELLER)
    sign_in_as(manager)
    page.emulate_media(color_scheme=colours)
    page.goto(f"{live_server.url}/projects/kitchen/invitations/")
    page.get_by_role("button", name="Create link").click()
    link = page.get_by_role("textbox", name="Link for a labeller").input_value()
    for width in (390, 800, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        for path in ("people/", "invitations/", "settings/"):
            page.goto(f"{live_server.url}/projects/kitchen/{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
    page.context.clear_cookies()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(link)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
