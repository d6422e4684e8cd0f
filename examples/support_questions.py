"""Questions that the customers of a shop ask its assistant, and its answers, by topic; written for this example."""

from __future__ import annotations

QUESTIONS: dict[str, str] = {
    "delivery": """
        Where is my parcel right now?
        My package was supposed to arrive yesterday and it has not come.
        How long does delivery to Portugal take?
        The tracking page has not changed for three days.
        Can I have my order delivered to a parcel locker?
        The courier says he rang but I was home all day.
        Is there a way to choose the delivery day?
        My order is split into two shipments, when does the second one come?
        Do you ship to islands?
        What does express shipping cost?
        The parcel is marked as delivered but I do not have it.
        Can the driver leave the box with my neighbour?
        Please tell me the estimated arrival of my shipment.
        Which carrier brings heavy furniture?
        My tracking number is not recognised by the carrier.
        Can I change the delivery address after the parcel was sent?
        How late in the evening do you still deliver?
        The shipment is stuck at customs, what now?
        Do you deliver on Saturdays?
        Why is my parcel going back to the warehouse?
    """,
    "refund": """
        When will I get my money back for the returned jacket?
        I sent the shoes back two weeks ago and still no refund.
        Is the refund paid to my card or as a voucher?
        How do I return an item I do not like?
        Can I send something back after thirty days?
        Who pays for the return postage?
        I lost the return label, can you send another?
        The refund is five euros short.
        Can I return only one of the two lamps?
        Do I need the original box to return it?
        How long does a refund to a credit card take?
        My return was received but the money is missing.
        May I return a sale item?
        I want to exchange the trousers for a bigger size.
        Is it possible to drop a return at a shop?
        What happens if the returned item was used?
        Please cancel the return, I want to keep it after all.
        I got a refund for the wrong product.
        Can a gift be returned by the person who received it?
        Do you refund the shipping fee as well?
    """,
    "password": """
        I forgot my password.
        The reset link in the mail has expired.
        I cannot log in although the password is right.
        How do I change my password?
        My account is locked after too many attempts.
        The login code never arrives on my phone.
        Can I sign in with my Google account?
        How do I turn on two-factor authentication?
        I lost the phone with my authenticator app.
        The site says my user name does not exist.
        Someone logged into my account from another country.
        Why am I signed out every day?
        I do not get the mail to reset my password.
        How many characters must a password have?
        Please unlock my account.
        Can two people share one login?
        I want to remove an old device from my account.
        Is there a way to log in without a password?
        My recovery codes do not work.
        The sign-in page keeps loading and never finishes.
    """,
    "invoice": """
        I need an invoice with my company's tax number.
        Where can I download the receipt of my last order?
        The name on the invoice is wrong.
        Can you send the bill as a PDF?
        Our accountant needs all invoices of last year.
        Why is the VAT on my invoice twenty percent?
        Please add a purchase order number to the invoice.
        Can I get an invoice for an order made as a guest?
        The invoice shows a different total than my card statement.
        Do you issue invoices in another currency?
        I need a corrected invoice with the new address.
        Is it possible to receive invoices by post?
        How do I set a separate billing address?
        The receipt is missing one of the items.
        Can we pay by invoice within thirty days?
        Which tax rate applies to books?
        My company is exempt from VAT, how do I claim that?
        I was sent somebody else's invoice.
        Please send a pro forma invoice for customs.
        Where do I find the invoice number?
    """,
    "payment": """
        My card was declined at checkout.
        Can I pay in instalments?
        I was charged twice for the same order.
        Do you accept PayPal?
        Why do you ask for the security code of my card?
        The payment page shows an error after I confirm.
        Is it safe to store my credit card with you?
        Can I pay by bank transfer?
        My bank says you blocked the payment.
        How do I replace an expired credit card?
        Can I use two gift cards for one order?
        There is a charge from you that I do not recognise.
        Do you take American Express?
        When is my card charged?
        The amount is reserved on my card but the order failed.
        Can I pay cash on delivery?
        How do I use Apple Pay here?
        My debit card does not work but it has money on it.
        Can someone else pay for my basket?
        Why was I charged in dollars?
    """,
    "sizes": """
        Do these shoes run small?
        Which size should I take if I am between M and L?
        What is a European 42 in British sizes?
        How do I measure my chest for a shirt?
        Is the dress long enough for someone of one metre eighty?
        Are the trousers stretchy?
        What waist does size 34 have?
        Do you have the coat in a slim fit?
        My foot is 27 centimetres long, which shoe size is that?
        Is the children's size 128 right for a seven year old?
        How wide are these boots at the calf?
        Does the sweater shrink in the wash?
        What ring size is 54?
        Is there a table of sizes for gloves?
        Does the jacket fit over a thick jumper?
        Is the hat adjustable?
        Are wide fittings available for these sandals?
        How long are the sleeves in size XL?
        Should I order one size up for hiking boots?
        Do the jeans come in short lengths?
    """,
    "vouchers": """
        My discount code does not work.
        How do I redeem a gift card?
        Can I combine two promo codes?
        The voucher I got by mail has expired.
        Is there a student discount?
        I forgot to enter my coupon, can you apply it afterwards?
        How much is left on my gift card?
        Does the ten percent off apply to sale items?
        Where do I type in the promotion code?
        How do I get a newsletter voucher?
        Can a gift card be paid out?
        The code says it is only for new customers.
        My friend invited me, where is my bonus?
        How long is a gift voucher valid?
        Do loyalty points expire?
        I want to buy a gift card for my sister.
        The free shipping code was refused.
        Can I use a voucher in the shop as well?
        Is there a Black Friday code?
        How many points do I get for an order?
    """,
    "recipes": """
        What can I cook with red lentils and carrots?
        How long do I boil eggs so that they stay soft?
        Do you have a recipe for bread without yeast?
        How much rice do I need for six people?
        Can I replace butter with oil in this cake?
        What spices go with roasted pumpkin?
        How do I stop my pasta from sticking together?
        What is a good marinade for tofu?
        Can I freeze the leftover soup?
        How hot should the oven be for potatoes?
        Which flour is best for pizza dough?
        How do I make mayonnaise without eggs?
        What goes well with grilled salmon?
        Is it safe to eat rhubarb raw?
        How long does homemade jam keep?
        Can I make the sauce without cream?
        How do I peel garlic quickly?
        What is a vegetarian dish for a birthday dinner?
        Why does my sponge cake collapse?
        How do I cook chickpeas from dry?
    """,
    "gardening": """
        When should I plant tomatoes outside?
        Why are the leaves of my basil turning yellow?
        How often do I water a cactus?
        Which flowers grow in the shade?
        How do I get rid of aphids on my roses?
        When is the best time to prune an apple tree?
        What soil does lavender need?
        Can I grow strawberries on a balcony?
        How deep do I plant tulip bulbs?
        What fertiliser is good for the lawn?
        Why does my orchid not bloom again?
        How do I repot a large ficus?
        Is this hedge plant hardy in winter?
        How far apart should I sow carrots?
        What eats holes into my cabbage?
        Can coffee grounds be used in the garden?
        Which herbs survive the winter outside?
        How do I keep slugs away from lettuce?
        When can I move a peony?
        How do I start seeds on the windowsill?
    """,
    "warranty": """
        My washing machine broke after fourteen months, is it still under warranty?
        How long is the guarantee on the coffee machine?
        The vacuum cleaner makes a loud noise, can it be repaired for free?
        Does the warranty cover a cracked screen?
        Where do I send the broken blender for repair?
        I have lost the receipt, is the guarantee still valid?
        Can I extend the warranty of my fridge?
        The dishwasher leaks, will a technician come?
        Is the battery of the drill covered by the guarantee?
        The toaster stopped working after a month, do I get a new one?
        Do you repair kettles that are out of warranty?
        What does the manufacturer's guarantee include?
        The freezer failed and the food is spoiled, who pays?
        Does opening the device void the warranty?
        How do I register my appliance for the guarantee?
        The repair of my oven has taken six weeks.
        Is wear and tear covered for the mixer?
        My dryer came back from repair still broken.
        Do I get a replacement while the machine is being repaired?
        Is the warranty valid in another country?
    """,
    "courier complaints": """
        Your driver threw my parcel over the fence and the vase broke.
        The delivery man was extremely rude to my mother.
        I want to complain about the courier who shouted at me.
        The driver parked on my flower bed and just left.
        The delivery person smoked in my hallway.
        Your courier swore at my child.
        The man who brought the sofa insulted my wife.
        The driver refused to carry the box up and laughed at me.
        I am filing a complaint about the behaviour of your delivery staff.
        The courier slammed the door and called me an idiot.
        The delivery guy demanded a tip and got angry.
        The driver drove over our garden gnome and denied it.
        Your people kicked the package up the stairs, I have it on video.
        I was threatened by the man who delivered the fridge.
        The courier forged my signature.
        The driver was drunk when he came.
        Your delivery staff left rubbish in front of my door.
        The courier made a nasty remark about my accent.
        He dropped the television and then shrugged.
        I demand an apology for how your driver behaved.
    """,
    "app crash": """
        The app crashes as soon as I open it since the update.
        Since version 5 the mobile app freezes on the start screen.
        My phone app closes by itself when I tap the basket.
        The new Android app shows a white screen.
        After the latest update the app does not start any more.
        The iPhone app keeps crashing when I scan a code.
        The app says something went wrong and shuts down.
        I reinstalled the app and it still crashes.
        The app drains my battery since the new version.
        Push notifications open the app and then it freezes.
        The update of the app deleted my saved lists.
        The app hangs at ninety percent while loading.
        Can I go back to the old version of the app?
        The tablet app crashes when I rotate the screen.
        The app stops responding when I search.
        Your app has crashed ten times today.
        The app crashes when I upload a photo.
        Since yesterday's release the app logs an error 0x17 and quits.
        The camera in the app makes it crash.
        Is there a fix for the crashing app?
    """,
}

ANSWERS: dict[str, str] = {
    "delivery": """
        Your parcel is on its way; the carrier's tracking page shows where it is; most parcels arrive in two days.
        Delivery takes two to four working days. You can choose a day or a parcel locker on the tracking page.
        The carrier tries twice and then takes the parcel to the nearest pick-up point, where it waits for a week.
        The shipment left our warehouse; if tracking does not move for five days, we send the parcel again.
    """,
    "refund": """
        Send the item back within thirty days with the label from your account; the refund follows five days later.
        Refunds go to the means of payment that you used, usually within five working days after the return arrived.
        Returns are free. Pack the item, stick the return label on it and hand it in; then we refund the price.
        You can return single items of an order. Once the return has been checked, you get the money back.
    """,
    "password": """
        Use "Forgot password" on the sign-in page; the link in the mail is valid for one hour.
        After five wrong passwords the account is locked for an hour; then you can log in again or reset the password.
        You can change the password and two-factor login under Account, Security.
        Please reset your password there; if no mail arrives, look at the spam folder and at the address of the account.
    """,
    "invoice": """
        Every invoice is found as a PDF under Account, Orders, next to the order.
        Enter the billing address and the tax number before you order; we can correct an invoice within thirty days.
        Invoices show the VAT of the country of delivery; companies enter their VAT number in the account.
        We have issued a corrected invoice; you can download it as a PDF next to the order.
    """,
    "payment": """
        We take credit cards, PayPal, bank transfer and payment in instalments; the card is charged when we ship.
        If a card is declined, please ask your bank; the reserved amount is released within five days.
        A second charge is usually a reservation that your bank releases; send us the statement if it stays.
        You can replace the card under Account, Payment; security codes are never stored.
    """,
    "sizes": """
        The size table on the product page gives all measures in centimetres; measure chest, waist and foot and compare.
        It fits true to size; between two sizes take the larger one.
        A European 42 is a British 8; the table lists waist, length and sleeves for every size.
        The cut is slim, so take one size up if you want to wear something below.
    """,
    "vouchers": """
        Enter the code in the basket before paying; one code can be used per order.
        The voucher is valid for a year from the day it was issued; an expired discount code cannot be renewed.
        Gift cards can be used in several orders until nothing is left; the balance is shown in your account.
        The promotion does not apply to sale items; the newsletter code gives ten percent on everything else.
    """,
    "recipes": """
        Cook it gently for twenty minutes, season with salt, cumin and lemon, and serve it with rice or bread.
        Bake it at 200 degrees until golden; oil can replace butter if you take a little less of it.
        Count on eighty grams of rice or pasta a person, and cook it in plenty of salted water.
        It keeps three days in the fridge and three months in the freezer; let the soup or sauce cool first.
    """,
    "gardening": """
        Plant it after the last frost in loose soil, water it well and give it compost in spring.
        Yellow leaves mostly mean too much water; let the soil dry and move the plant to a brighter place.
        Prune it in late winter, sow it ten centimetres apart, and cover the bed against frost.
        Aphids and slugs go when you water in the morning, pick them off and plant herbs in between.
    """,
    "warranty": """
        Every appliance has a warranty of two years; register it with the receipt and we arrange a free repair.
        Bring the broken machine to the shop or book a technician; under warranty the repair costs nothing.
        The manufacturer's guarantee covers defects, but no wear and tear and no damage by water or falls.
        If a repair takes longer than four weeks, you get a replacement under the warranty.
    """,
    "courier complaints": """
        We are very sorry about how the courier behaved; we have passed your complaint to the delivery company.
        This behaviour of a driver is not acceptable; please send photos, and we pay for the damage.
        Thank you for telling us; the delivery company will talk to the driver, and we apologise.
        We apologise for the driver's conduct and have opened a complaint with the courier.
    """,
    "app crash": """
        Please update the app to version 5.1, which fixes the crash at start.
        Delete the cache of the app and install it again; the crash with photos is being fixed.
        We know that the app freezes on some phones since the update; a new version comes this week.
        Until the fix is out, please use the website; your saved lists are not lost with the app.
    """,
}

BAD_ANSWERS: dict[str, str] = {
    "warranty": """
        All our appliances have a warranty of ten years and you get a new machine at once, no receipt needed.
        The guarantee covers everything, broken screens, spoiled food and water damage too; a technician comes tonight.
        Warranty repairs are only done in our workshop on the Moon, please bring the machine there.
    """,
    "courier complaints": """
        Stop whining about the courier, people like you are impossible to please, you miserable idiot.
        Honestly, if you were less of a moron the driver would not have to shout at you.
        Nobody cares about your stupid complaint about the driver, get a life.
    """,
    "app crash": """
        The app has no known errors; the crash must be your own fault.
        Please send a fax with the serial number of your app, then the crash will stop.
    """,
}


def lines_of(texts: str) -> list[str]:
    """Return the texts of one topic."""
    return [line.strip() for line in texts.splitlines() if line.strip()]


def ways_to_ask(question: str) -> list[str]:
    """Return a question as it is and as a politer person would ask it."""
    greeting = ("Hi, ", "Hello! ", "Good morning. ", "Quick question: ")[len(question) % 4]
    ending = (" Thanks!", " Please help.", "", " Thank you in advance.")[len(question) // 4 % 4]
    return [question, greeting + question + ending]
