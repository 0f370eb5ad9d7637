package render_test

import (
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// features holds everything a narrative may hold.
func features() []byte {
	return sample.ClinicalDocument(3, sample.LabReportKind, `<structuredBody>
<component><section ID="sec-1"><code code="11348-0" displayName="Antécédents" codeSystem="2.16.840.1.113883.6.1"/><title>Textes &amp; listes</title>
<text ID="t1"><paragraph styleCode="Bold"><caption>Titre</caption>Un &lt;paragraphe&gt; en gras, <content styleCode="Italics">italique</content>,
<content styleCode="Underline xRed">souligné rouge</content>, H<sub>2</sub>O, 10<sup>9</sup>/L<br/>à la ligne.</paragraph>
<paragraph>Voir la note<footnote ID="f1">Note <content styleCode="Bold">importante</content>.</footnote> et encore<footnoteRef IDREF="f1"/>,
<linkHtml href="https://example.org/a?b=1&amp;c=2">le site</linkHtml>, <linkHtml href="mailto:essai@example.org">le courriel</linkHtml>, <linkHtml href="#glu">le glucose</linkHtml>, <content revised="delete">rayé</content> <content revised="insert">ajouté</content>.</paragraph>
<list listType="ordered" styleCode="LittleAlpha"><caption>Une liste</caption><item>un</item><item><caption>deux</caption>avec
<list><item styleCode="Emphasis">imbriquée</item></list></item></list></text>
<component><section><title>Tableau</title><text><table border="1"><caption>Légende</caption><colgroup><col width="50%"/><col/></colgroup>
<thead><tr><th colspan="2" align="center" ID="h1">Examen</th><th abbr="Rés.">Résultat</th></tr></thead>
<tfoot><tr><td colspan="3">pied</td></tr></tfoot>
<tbody><tr><th scope="row" rowspan="2">Sang</th><td ID="glu" headers="h1">Glucose</td><td align="right" valign="bottom" styleCode="Botrule Rrule">5,1</td></tr>
<tr><td>Urée</td><td><list><item>normal</item></list></td></tr></tbody></table></text></section></component></section></component>
<component><section><code code="55108-5" displayName="Copie du document" codeSystem="2.16.840.1.113883.6.1"/><text><renderMultiMedia referencedObject="img pdf"><caption>Les pièces</caption></renderMultiMedia>
et de nouveau <renderMultiMedia referencedObject="img"/></text>
<entry><observationMedia classCode="OBS" moodCode="EVN" ID="img"><value mediaType="image/png" representation="B64">
iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR42mNgGAWjYBSMAqgAAAQIAAFMEXPzAAAAAElFTkSuQmCC</value></observationMedia></entry>
<entry><organizer classCode="CLUSTER" moodCode="EVN"><statusCode code="completed"/><component><observationMedia classCode="OBS" moodCode="EVN" ID="pdf">
<value mediaType="application/pdf" representation="B64">JVBERi0xLjQK</value></observationMedia></component></organizer></entry>
<entry><observationMedia classCode="OBS" moodCode="EVN" ID="seul"><value mediaType="text/plain" representation="B64">VGV4dGUgbm9uIGNpdMOpLg==</value></observationMedia></entry>
</section></component></structuredBody>`)
}

// attack holds what must never reach a browser.
func attack() []byte {
	return sample.ClinicalDocument(4, sample.LabReportKind, `<structuredBody>
<component><section><title>&lt;script&gt;alert(1)&lt;/script&gt;</title>
<text onclick="alert(2)"><script>alert(3)</script><html:script xmlns:html="http://www.w3.org/1999/xhtml" src="https://evil.example/x.js">alert(4)</html:script>
<html:iframe xmlns:html="http://www.w3.org/1999/xhtml" src="https://evil.example/">cadre</html:iframe><html:style xmlns:html="http://www.w3.org/1999/xhtml">body{display:none}</html:style>
<paragraph styleCode="color:red;background:url(https://evil.example/p.png)" onmouseover="alert(5)">style</paragraph>
<content style="background:url(https://evil.example/q.png)" styleCode="&quot; onload=&quot;alert(6)">guillemets</content>
<linkHtml href="javascript:alert(7)">un</linkHtml> <linkHtml href="java&#9;script:alert(8)">deux</linkHtml> <linkHtml href=" JaVaScRiPt:alert(9)">trois</linkHtml>
<linkHtml href="data:text/html,&lt;script&gt;alert(10)&lt;/script&gt;">quatre</linkHtml> <linkHtml href="vbscript:x">cinq</linkHtml> <linkHtml href="//evil.example/">six</linkHtml>
<linkHtml href="https:evil">sept</linkHtml> <linkHtml href="&#x200B;javascript:alert(11)">huit</linkHtml> <linkHtml href="https://example.org/&quot; onclick=&quot;alert(12)">neuf</linkHtml>
<table><tr><td colspan="99999999" rowspan="-1" ID="a&quot; onclick=&quot;b">cellule</td><td ID="twice">x</td><td ID="twice">y</td></tr></table>
<img src="https://evil.example/i.png"/><renderMultiMedia referencedObject="svg html broken nothing"/>
&lt;img src=x onerror=alert(13)&gt;</text>
<entry><observationMedia classCode="OBS" moodCode="EVN" ID="svg"><value mediaType="image/svg+xml" representation="B64">PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+</value></observationMedia></entry>
<entry><observationMedia classCode="OBS" moodCode="EVN" ID="html"><value mediaType="text/html" representation="TXT">&lt;script&gt;alert(14)&lt;/script&gt;</value></observationMedia></entry>
<entry><observationMedia classCode="OBS" moodCode="EVN" ID="broken"><value mediaType="image/png" representation="B64">iVBORw0KGgo"&gt;&lt;script&gt;</value></observationMedia></entry>
</section></component></structuredBody>`)
}
